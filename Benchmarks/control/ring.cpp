// The control of the ring's benchmark: a bounded queue of one producer and one consumer as Erik
// Rigtorp's SPSCQueue has it, written anew: each side keeps a copy of the other's index, indices two
// cache lines apart, one release store a record.
//   ring RECORDS PRODUCER_CPU CONSUMER_CPU
// The consumer looks again later where it found little, as that of `rates ring` does.
// Prints millions of 32-byte records a second.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <pthread.h>
#include <sched.h>
#include <thread>

struct Record {
  uint64_t words[4];
};

class Queue {
public:
  explicit Queue(size_t capacity) : capacity_(capacity + 1), slots_(new Record[capacity + 1]()) {}

  bool push(const Record &record) {
    const size_t write = write_.load(std::memory_order_relaxed);
    size_t next = write + 1;
    if (next == capacity_) next = 0;
    if (next == cachedRead_) {
      cachedRead_ = read_.load(std::memory_order_acquire);
      if (next == cachedRead_) return false;
    }
    slots_[write] = record;
    write_.store(next, std::memory_order_release);
    return true;
  }

  const Record *front() {
    const size_t read = read_.load(std::memory_order_relaxed);
    if (read == cachedWrite_) {
      cachedWrite_ = write_.load(std::memory_order_acquire);
      if (read == cachedWrite_) return nullptr;
    }
    return &slots_[read];
  }

  void pop() {
    size_t next = read_.load(std::memory_order_relaxed) + 1;
    if (next == capacity_) next = 0;
    read_.store(next, std::memory_order_release);
  }

private:
  const size_t capacity_;
  const std::unique_ptr<Record[]> slots_;
  alignas(128) std::atomic<size_t> write_{0};
  alignas(128) size_t cachedRead_ = 0;
  alignas(128) std::atomic<size_t> read_{0};
  alignas(128) size_t cachedWrite_ = 0;
};

static void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: ring RECORDS PRODUCER_CPU CONSUMER_CPU\n");
    return 2;
  }
  const uint64_t records = strtoull(argv[1], nullptr, 10);
  const int producerCPU = atoi(argv[2]), consumerCPU = atoi(argv[3]);
  Queue queue((1 << 17) / 4);
  std::atomic<bool> ready{false};
  std::thread producer([&] {
    pin(producerCPU);
    while (!ready.load()) {
    }
    for (uint64_t number = 0; number < records; number++) {
      const Record record = {{number, 1, 2, 3}};
      while (!queue.push(record)) {
      }
    }
  });
  pin(consumerCPU);
  const auto begin = std::chrono::steady_clock::now();
  ready = true;
  uint64_t sum = 0, seen = 0;
  while (seen < records) {
    int taken = 0;
    for (const Record *record; taken < 1024 && (record = queue.front()); taken++) {
      sum += record->words[0] + record->words[1] + record->words[2] + record->words[3];
      queue.pop();
    }
    seen += uint64_t(taken);
    if (taken < 256)
      for (int turn = 0; turn < 5000; turn++) ready.load();
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  producer.join();
  if (sum != records * (records - 1) / 2 + records * 6) return 1;
  printf("%.2f\n", double(records) / seconds / 1e6);
}
