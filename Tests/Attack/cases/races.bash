# Two at one name, and files that go while they are written. LIMIT 12

case_two_recorders() {
  for delay in 0 0 0 0.005 0.01 0.02; do
    rm -f r.lbsample*
    "$LB" --cpu -i 10ms --count 20 --record r.lbsample 2>a >/dev/null &
    first=$!
    sleep $delay
    "$LB" --cpu -i 10ms --count 20 --record r.lbsample 2>b >/dev/null
    second=$?
    wait $first
    first=$?
    [ $first = 0 ] || [ $second = 0 ] || fault "both failed: $(cat a b)"
    [ $first != 0 ] || [ $second != 0 ] || fault "both recorded"
    judge any $first --record
    judge any $second --record
    good runs show r.lbsample >/dev/null
    absent r.lbsample-wal r.lbsample-shm r.lbsample-tail r.lbsample.new
  done
}
case_many_recorders() {
  for number in 1 2 3 4 5 6; do
    "$LB" --cpu -i 10ms --count 10 --record r.lbsample >/dev/null 2>&1 &
    pids[number]=$!
  done
  won=0
  for number in 1 2 3 4 5 6; do
    wait ${pids[number]}
    code=$?
    judge any $code --record
    [ $code != 0 ] || won=$((won + 1))
  done
  [ $won = 1 ] || fault "$won of six recorded"
  good runs show r.lbsample >/dev/null
}
# What a killed process leaves of a file that it was making goes with the next list of runs.
case_killed_while_it_is_made() {
  mkdir d
  for delay in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 18 20 22 25 30 40; do
    "$LB" --cpu -i 10ms --record d/r$delay.lbsample >/dev/null 2>&1 &
    pid=$!
    sleep 0.0$(printf %02d $delay)
    kill -KILL $pid
    wait $pid 2>/dev/null
  done
  : >"d/x.lbsample.new-$pid"
  : >"d/.index.new-12ab"
  any runs list --runs-dir d
  ! ls -A d | grep -q 'new-' || fault "left $(ls -A d | grep 'new-' | tr '\n' ' ')"
  : >"r.db.new-$pid"
  good --cpu -i 10ms --count 2 --format csv --record r.db >/dev/null
  absent "r.db.new-$pid"
}
# A number that the system uses again is no reason to refuse a file.
case_draft_of_the_same_number() {
  tool unshare
  unshare --pid --fork --mount-proc true 2>/dev/null || skip "needs a PID namespace"
  for _ in 1 2; do
    unshare --pid --fork --kill-child --mount-proc bash -c '
      : >"r.lbsample.new-$$"; exec "$LB" --cpu -i 10ms --count 2 --format csv --record r.lbsample
    ' >/dev/null
    judge good $? --record in a container
    rm r.lbsample
  done
  only
}
case_killed_export() {
  base run
  for delay in 1 2 3 5 8 12 16 20; do
    for what in "-o t" "--dataset set" "--metric cpu.* -o x.parquet"; do
      "$LB" export --format parquet run.lbsample $what >/dev/null 2>&1 &
      pid=$!
      sleep 0.0$(printf %02d $delay)
      kill -KILL $pid
      wait $pid 2>/dev/null
    done
    rm -rf t set/run=* x.parquet
  done
  good export --format parquet run.lbsample -o t
  good export --format parquet run.lbsample --dataset set
  good export --format parquet run.lbsample --metric 'cpu.*' -o x.parquet
  ! find . -name '*.draft' | grep -q . || fault "left $(find . -name '*.draft' | tr '\n' ' ')"
}
case_runs_at_once() {
  for number in 1 2 3 4; do
    "$LB" run --runs-dir d --name same --cpu -- true >/dev/null 2>said.$number &
    pids[number]=$!
  done
  for number in 1 2 3 4; do
    wait ${pids[number]}
    judge good $? run
  done
  [ "$(ls d/*.lbsample | wc -l)" = 4 ] || fault "$(ls d)"
  good runs list --runs-dir d
}
case_name_is_taken() {
  echo mine >r.lbsample
  bad --cpu -i 10ms --count 3 --record r.lbsample
  same r.lbsample mine
  echo kept >k.lbsample-wal
  echo kept >k.lbsample-shm
  echo kept >k.lbsample-tail
  any --cpu -i 10ms --count 3 --record k.lbsample >/dev/null
}

# gone WAY ARGUMENT…: what is done to the result 0.4 s into its recording is told.
gone() {
  local way=$1
  shift
  "$LB" "$@" >/dev/null 2>said &
  pid=$!
  sleep 0.5
  eval "$way"
  wait $pid
  code=$?
  [ $code = 5 ] || fault "$way: exit code $code: $(cat said)"
}
case_folder_is_removed() {
  mkdir d
  gone 'rm -rf d' --cpu -i 10ms --count 100 --record d/r.lbsample
}
case_file_is_removed() { gone 'rm r.lbsample*' --cpu -i 10ms --count 100 --record r.lbsample; }
case_file_is_replaced() {
  gone 'cp "$BASE/run.lbsample" x; mv x r.lbsample' --cpu -i 10ms --count 100 --record r.lbsample
  cmp -s r.lbsample "$BASE/run.lbsample" || fault "another file was changed"
}
case_folder_of_a_run_is_removed() { gone 'rm -rf d' run --runs-dir d --cpu -- sleep 1; }
case_file_is_renamed() {
  "$LB" --cpu -i 10ms --count 60 --record r.lbsample >/dev/null 2>said &
  pid=$!
  sleep 0.4
  mv r.lbsample moved.lbsample
  wait $pid
  judge any $? --record
  any runs show moved.lbsample >/dev/null
}
case_file_is_cut_or_overwritten() {
  for way in 'truncate -s 0 r.lbsample' 'truncate -s 5000 r.lbsample' \
    'dd if=/dev/urandom of=r.lbsample conv=notrunc bs=4096 count=4 2>/dev/null' \
    'truncate -s 0 r.lbsample-wal' 'truncate -s 0 r.lbsample-tail' 'rm -f r.lbsample-shm' \
    'rm -f r.lbsample-tail' 'ln -sf /dev/null r.lbsample-tail'; do
    rm -f r.lbsample*
    "$LB" --cpu -i 10ms --count 50 --record r.lbsample >/dev/null 2>said &
    pid=$!
    sleep 0.25
    eval "$way"
    wait $pid
    judge any $? --record "while: $way"
    any runs show r.lbsample >/dev/null
  done
}
recorded_something() {
  "$LB" export r.lbsample >/dev/null 2>early && return
  grep -q 'no samples yet: it is still being written' early || fault "$(cat early)"
  return 1
}
case_readers_while_recording() {
  "$LB" --cpu -i 5ms --count 200 --record r.lbsample >/dev/null 2>said &
  pid=$!
  until_ test -e r.lbsample
  # Before its first sample is stored, a recording is an error that says so.
  until_ recorded_something
  for _ in 1 2 3 4 5; do
    good runs show r.lbsample >/dev/null &
    good export r.lbsample >/dev/null &
    good runs list --runs-dir . >/dev/null
  done
  wait $pid
  judge good $? --record
  wait
  good export r.lbsample --raw >rows
  [ "$(grep -vc '^#' rows)" -gt 50 ] || fault "$(wc -l <rows) rows"
}
case_removed_while_running() {
  "$LB" run --runs-dir d --name n --cpu -- sleep 0.8 >/dev/null 2>said &
  pid=$!
  sleep 0.5
  any runs remove --runs-dir d n
  wait $pid
  judge any $? run
}
