# Limits and full file systems. LIMIT 12

case_descriptors() {
  base run
  for limit in 4 5 6 8 10 12 16 20 30 40; do
    # Where not even the program is loaded the loader says so.
    (ulimit -n $limit && "$LB" --version >/dev/null 2>&1) || continue
    for command in "--cpu -i 10ms --count 2" "run --runs-dir d -- true" "runs show run.lbsample" \
      "export run.lbsample" "--cpu -i 10ms --count 2 --record r.lbsample" "config show"; do
      limited "-n $limit" any $command >/dev/null 2>&1
      rm -f r.lbsample*
    done
  done
}
case_memory() {
  base run
  for limit in 100000 200000 400000 1000000; do
    for command in "--cpu -i 10ms --count 2" "run --runs-dir d -- true" "runs show run.lbsample" \
      "export run.lbsample"; do
      # Where not even the program is loaded the shell or the loader says so.
      (ulimit -v $limit && "$LB" --version >/dev/null 2>&1) || continue
      limited "-v $limit" any $command >/dev/null 2>&1
    done
  done
}
case_processes() {
  root
  base run
  chmod 777 .
  for limit in 1 2 3 4 6 8 12; do
    for command in "--cpu -i 10ms --count 2" "run --runs-dir d -- true" "runs show run.lbsample"; do
      as_nobody bash -c "ulimit -u $limit; exec \"\$@\"" _ "$LB" $command >/dev/null 2>said
      judge any $? "(ulimit -u $limit)" $command
    done
  done
}
case_small_stack() {
  base run
  for limit in 64 128 512; do
    limited "-s $limit" any run --runs-dir d -- true
    limited "-s $limit" any export run.lbsample >/dev/null
    limited "-s $limit" any --all -i 10ms --count 2 >/dev/null
  done
}
case_locked_memory() { limited "-l 0" good --cpu -i 10ms --count 2; }

case_file_size_of_a_recording() {
  for limit in 1 50 150 200; do
    rm -f y.lbsample*
    limited "-f $limit" any --cpu --vm --vm-interval 1ms -i 1ms --count 1000 --record y.lbsample
    [ ! -e y.lbsample ] || any export y.lbsample >/dev/null
  done
}
case_file_size_of_an_output() {
  limited "-f 20" bad --all -i 5ms --count 200 --format csv -o z.csv
  limited "-f 20" any run --runs-dir d -- sh -c 'head -c 3000000 /dev/zero'
  base run
  limited "-f 1" bad export run.lbsample -o e.csv
  limited "-f 1" bad runs bundle run.lbsample -o t.tgz
}

# disk KIB: a file system of that size at the folder disk.
disk() {
  root
  mkdir disk
  mount -t tmpfs -o "size=$1k" tmpfs disk 2>/dev/null || skip "needs to mount a tmpfs"
  trap 'umount -l disk' EXIT
}
case_full_while_recording() {
  disk 400
  bad --cpu --net -i 1ms --record disk/r.lbsample
  good export disk/r.lbsample --raw >rows
  [ "$(wc -l <rows)" -gt 100 ] || fault "$(wc -l <rows) rows were kept"
}
case_full_while_running() {
  disk 300
  any run --runs-dir disk --cpu -i 1ms --net -- sh -c 'head -c 3000000 /dev/zero; sleep 0.5'
  any runs list --runs-dir disk
  any runs show --runs-dir disk last
}
# No half row stands at the end, and no half archive.
case_full_outputs() {
  disk 64
  bad --all -i 5ms --count 500 --format csv -o disk/z.csv
  [ ! -s disk/z.csv ] || [ "$(tail -c 1 disk/z.csv | od -An -tx1)" = " 0a" ] || fault "half a row ends z.csv"
  rm disk/*
  bad --all -i 5ms --count 500 --format ndjson -o disk/z.ndjson
  [ ! -s disk/z.ndjson ] || [ "$(tail -c 1 disk/z.ndjson | od -An -tx1)" = " 0a" ] \
    || fault "half a row ends z.ndjson"
  rm -f disk/*
  head -c 61000 /dev/zero >disk/filler
  base run
  bad runs bundle run.lbsample -o disk/t.tgz
  absent disk/t.tgz
  any export run.lbsample --format lb -o disk/lb
  any runs show run.lbsample --log-file disk/log
  any run --events disk/events --result disk/result --runs-dir d -- true
}
# Neither a table nor a data set is there in part, nor anything of a draft.
case_full_tables() {
  disk 12
  base run
  bad export --format parquet run.lbsample -o disk/t
  bad export --format parquet --dataset disk/set run.lbsample
  [ "$(find disk -type f | grep -v '/\.lock$')" = "" ] || fault "left $(find disk | tr '\n' ' ')"
  head -c 8000 /dev/zero >disk/filler
  bad report run.lbsample -o disk/page.html
  bad --cpu --net -i 5ms --count 500 --record disk/r.lbsample
  ! ls -A disk | grep -q 'new-' || fault "left $(ls -A disk | tr '\n' ' ')"
}
case_read_only_place() {
  disk 2000
  cp "$BASE"/*.lbsample* disk
  mount -o remount,ro disk
  any runs list --runs-dir disk
  good runs show disk/run.lbsample
  good export disk/record.lbsample >/dev/null
  any export disk/killed.lbsample >/dev/null
  bad --cpu -i 10ms --count 2 --record disk/r.lbsample
  bad run --runs-dir disk -- true
  good report disk/run.lbsample -o page.html
  good view disk/record.lbsample >/dev/null
  any compare disk/run.lbsample disk/run.lbsample
  # Its one repetition may be contaminated.
  any history --runs-dir disk --any-host run >/dev/null
  bad export --format parquet disk/run.lbsample -o disk/t
  bad export --format parquet disk/run.lbsample --dataset disk
}
case_signals() {
  for signal in HUP INT QUIT USR1 USR2 PIPE ALRM WINCH CHLD CONT URG VTALRM PROF IO XFSZ; do
    "$LB" --cpu -i 20ms --count 20 --format csv >/dev/null 2>said &
    pid=$!
    sleep 0.1
    kill -$signal $pid
    wait $pid
    code=$?
    # Those that nobody catches end a program, by their number.
    case $signal in
      USR1 | USR2 | ALRM | VTALRM | PROF | IO) ;;
      HUP | INT | QUIT) [ $code -ge 128 ] || [ $code = 0 ] || judge any $code "$signal" ;;
      *) judge any $code "$signal" ;;
    esac
  done
}
case_stopped_and_continued() {
  "$LB" --cpu -i 10ms --count 100 --format ndjson >n 2>said &
  pid=$!
  sleep 0.3
  kill -STOP $pid
  sleep 0.5
  kill -CONT $pid
  wait $pid
  judge good $? "stopped and continued"
}

# Signals that nothing is made for end a view, and its terminal is given back all the same.
case_view_ended_by_any_signal() {
  tool python3
  good run --quiet --runs-dir d --name one --cpu -i 10ms -- sleep 0.3
  python3 - "$LB" <<'P' || fault "a terminal was not given back"
import os, pty, select, signal, sys, termios, time
wrong = 0
for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGXCPU, signal.SIGRTMIN + 1):
    pid, terminal = pty.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.environ["TERM"] = "xterm"
        os.execv(sys.argv[1], ["lbsample", "view", "--runs-dir", "d", "one"])
    seen, end, status = b"", time.monotonic() + 10, None
    while status is None and time.monotonic() < end:
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                seen += os.read(terminal, 65536)
            except OSError:
                pass
        elif b"\x1b[?1049h" in seen and number:
            os.kill(pid, number)
            number = 0
        ended, code = os.waitpid(pid, os.WNOHANG)
        status = code if ended else None
    usual = termios.ECHO | termios.ICANON
    back = termios.tcgetattr(terminal)[3] & usual == usual and b"\x1b[?1049l" in seen
    wrong += status is None or not os.WIFSIGNALED(status) or not back
    os.close(terminal)
sys.exit(wrong > 0)
P
}
