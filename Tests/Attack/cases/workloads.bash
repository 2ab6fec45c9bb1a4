# Workloads that misbehave, and what is read of their output. LIMIT 10

# last TEXT-OF-PRINTF VALUE [PATTERN]: --metric reads that value.
last() {
  "$LB" run --metric "speed=${3:-speed ([0-9]+)}" --format json -- printf "$1" >r.json 2>said
  judge good $? run --metric "${3:-}" of "$1"
  grep -qE "\"workload.speed\" *: *$2\b" r.json || fault "read of '$1': $(grep speed r.json)"
}
case_last_line() { last 'speed 1\nspeed 2\n' 2; }
case_last_line_of_crlf() { last 'speed 1\r\nspeed 2\r\n' 2; }
case_end_of_a_line_of_crlf() { last 'speed 1\r\nspeed 2\r\n' 2 'speed ([0-9]+)$'; }
case_json_behind_remarks_of_crlf() {
  good run --metric-json 'a=a' -- printf 'remark\r\n{"a": 1}\r\n'
}

# A pattern that takes exponential time is given up at its limit; a stop ends it at once.
case_pattern_of_exponential_time() {
  stopped 1.5 run --cpu --metric 'x=(a+)+$' -- sh -c "head -c 40 /dev/zero | tr '\0' a; echo b"
}

case_bytes_of_an_argument() {
  mkdir w
  : >$'w/file\xff'
  good run -- ls $'w/file\xff'
  good run -- test -e $'w/file\xff'
}
case_bytes_of_the_environment() {
  BAD=$'\xff\xfe' good run --result r.json -- sh -c 'test "$(printf %s "$BAD" | od -An -tx1)" = " ff fe"'
}

case_output_without_end() { any run --timeout 400ms --grace 100ms -- yes; }
case_ignores_sigterm() { any run --timeout 200ms --grace 100ms -- sh -c 'trap "" TERM; while :; do sleep 0.1; done'; }
case_stops_itself() { any run --timeout 300ms --grace 100ms -- sh -c 'kill -STOP $$'; }
case_holds_the_pipe() {
  any run --timeout 500ms --grace 100ms -- sh -c 'setsid sleep 61 & exit 0'
}
case_kills_its_group() { any run -- sh -c 'kill -KILL 0'; }
case_kills_its_parent_gently() { any run --timeout 1s --grace 100ms -- sh -c 'kill -STOP $PPID; sleep 0.1; kill -CONT $PPID'; }
case_descriptors() { any run --timeout 1s -- bash -c 'ulimit -n 30; for i in $(seq 40); do exec {f}</dev/null || exit 3; done'; }
case_zombies() { any run --tree workload -- bash -c 'for i in $(seq 300); do (exit) & done; sleep 0.2'; }
case_removes_its_directory() {
  mkdir w
  any run --chdir w -r 2 -- sh -c 'rm -rf ../w'
}
case_removes_the_result() { bad run --runs-dir d --cpu -- sh -c 'rm -rf d; sleep 0.2'; }
case_replaces_the_result() {
  bad run --runs-dir d --cpu --name n -- sh -c 'rm d/*.lbsample*; echo mine >d/other; sleep 0.3'
  same d/other mine
}
case_exits_oddly() {
  for code in 1 126 127 128 137 255; do bad run -- sh -c "exit $code"; done
  for signal in ABRT SEGV KILL PIPE XFSZ; do bad run -- sh -c "kill -$signal \$\$"; done
}
