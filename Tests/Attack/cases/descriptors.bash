# Closed descriptors, full pipes, terminals that nobody reads, FIFOs wherever a path is taken. LIMIT 6

case_closed_output() { bad --cpu -i 20ms --count 3 --format csv >&-; }
case_closed_output_of_a_run() { any run --cpu -- true >&-; }

case_closed_error() {
  any run --name closed --result r.json -- false 2>&-
  [ ! -e r.json ] || {
    head -c 1 r.json | grep -q '{' || fault "r.json: $(head -c 100 r.json)"
    ! grep -q '^lbsample' r.json || fault "a message stands in r.json"
  }
}

case_all_closed() {
  any --cpu -i 10ms --count 3 --format csv -o z.csv <&- >&- 2>&-
  ! grep -q lbsample z.csv || fault "a message stands in z.csv"
}

case_any_of_them_closed() {
  base run
  for command in "--cpu -i 5ms --count 2" "runs show run.lbsample" "export run.lbsample" doctor \
    "config show" "run --cpu -- true" "runs list"; do
    any $command <&- >/dev/null 2>/dev/null
    any $command >&-  2>/dev/null
    any $command 2>&- >/dev/null
  done
}

case_all_of_them_closed() {
  base run
  for command in "--cpu -i 5ms --count 2" "runs show run.lbsample" "export run.lbsample" \
    "config show" "run --cpu -- true"; do
    any $command <&- >&- 2>/dev/null
    any $command <&- 2>&- >/dev/null
    any $command <&- >&- 2>&-
  done
}

# pipe COMMAND…: its standard output is a pipe that is open and not read.
pipe() {
  mkfifo p
  sleep 30 <p &
  reader=$!
  "$@" >p
  kill $reader
  wait $reader 2>/dev/null
}
case_full_pipe_ndjson() { pipe stopped 0.5 --all -i 10ms --format ndjson; }
case_full_pipe_csv() { pipe stopped 0.5 --all -i 10ms --format csv; }
case_full_pipe_table() { pipe stopped 0.5 --all -i 10ms --format table; }
case_full_pipe_of_a_run() { pipe stopped 0.5 run --cpu --show-output -- sh -c 'yes' 2>/dev/null; }
case_full_pipe_of_errors() {
  mkfifo p
  sleep 30 <p &
  reader=$!
  stopped 0.5 run --cpu --show-output -- yes 2>p >/dev/null
  kill $reader
  wait $reader 2>/dev/null
}

case_reader_goes() {
  for format in csv ndjson table; do
    "$LB" --all -i 10ms --count 50 --format $format 2>said | head -n 1 >/dev/null
    judge any "${PIPESTATUS[0]}" --format $format
  done
}

terminal() {
  helped terminal >name
  until_ test -s name
  terminal=$(cat name)
}
case_unread_terminal_table() {
  terminal
  stopped 0.8 --cpu -i 1ms >"$terminal"
  released
}
case_unread_terminal_csv() {
  terminal
  stopped 0.8 --cpu -i 1ms --format csv >"$terminal"
  released
}
case_unread_terminal_of_errors() {
  terminal
  stopped 0.8 run --show-output --cpu -- yes 2>"$terminal" >/dev/null
  released
}

fifo() {
  rm -f f
  mkfifo f
}
case_fifo_events() { fifo; bad run --events f -- true; }
case_fifo_log() { fifo; bad run --log-file f -- true; }
case_fifo_input() { fifo; bad run --input f -- true; }
# Its reader is waited for until a stop; by then no sample has been taken.
case_fifo_output() {
  fifo
  "$LB" --cpu -i 10ms --count 3 -o f &
  pid=$!
  sleep 0.3
  kill -TERM $pid
  wait $pid
  code=$?
  [ $code = 143 ] || judge any $code -o f
}
case_fifo_workload_output() { fifo; any run --workload-output f -- true; }
case_fifo_record() { fifo; bad --cpu -i 10ms --count 3 --record f; }
case_fifo_control() { fifo; bad arm --control f --cpu; }
case_fifo_as_run() {
  fifo
  bad runs show ./f
  bad export ./f
  bad runs remove ./f
  bad runs bundle ./f
}
case_fifo_in_the_directory() {
  mkdir d
  mkfifo d/f.lbsample
  cp "$BASE/run.lbsample" d
  any runs list --runs-dir d
  any run --runs-dir d -- true
}
case_fifo_as_tail() {
  base run
  mkfifo run.lbsample-tail
  any runs show run.lbsample
  any export run.lbsample >/dev/null
}
case_fifo_as_configuration() {
  mkdir -p config/lbsample
  mkfifo collectors.conf config/lbsample/collectors.conf
  any --cpu -i 10ms --count 1
}
case_fifo_in_proc() {
  for name in stat meminfo vmstat; do
    rm -rf proc
    mkdir proc
    mkfifo proc/$name
    bad --cpu --memory --vm --proc-root proc -i 10ms --count 1
  done
}
case_fifo_in_sys() {
  mkdir -p sys/class/hwmon/hwmon0 sys/devices/system/cpu/cpu0
  mkfifo sys/class/hwmon/hwmon0/temp1_input sys/class/hwmon/hwmon0/name \
    sys/devices/system/cpu/online
  any --temperature --frequency --sys-root sys -i 10ms --count 1
}
case_fifo_packets() { fifo; stopped 0.5 --packets-file f -i 100ms; }

case_device_as_run() {
  mkdir directory
  ln -s loop loop
  truncate -s 1T sparse
  for file in /dev/zero /dev/full /dev/null /dev/tty /proc/self/mem directory loop sparse /dev/stdin; do
    bad runs show "$file" </dev/null
    bad export "$file" </dev/null
  done
}

case_device_as_text() {
  for file in /dev/zero /dev/full /proc/self/mem /; do
    bad config check "$file"
    bad run --plan "$file" --dry-run
  done
}

case_full_device() {
  base run
  bad --cpu -i 10ms --count 3 --format csv >/dev/full
  bad --cpu -i 10ms --count 3 --format csv -o /dev/full
  bad --cpu -i 10ms --count 3 --format ndjson >/dev/full
  bad --cpu -i 10ms --count 3 >/dev/full
  bad export run.lbsample >/dev/full
  bad runs show run.lbsample >/dev/full
  bad runs list --runs-dir . >/dev/full
  bad run --result /dev/full -- true
  bad run --events /dev/full -- true
  any run --workload-output /dev/full -- echo x
}
