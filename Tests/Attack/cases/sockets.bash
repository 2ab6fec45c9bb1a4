# Control sockets: what stands at their path, and what comes through them. LIMIT 10

# armed ARGUMENT…: a sampler at the socket s, whose process is $pid.
armed() {
  "$LB" arm --control s --cpu -i 10ms "$@" 2>said &
  pid=$!
  until_ grep -q armed: said || fault "not armed: $(cat said)"
}
disarmed() {
  kill -TERM $pid
  wait $pid
  judge stop $? arm
  absent s
}
# ask TEXT: sends it, and keeps the answers in the file answers.
ask() { printf "$1" | $HELPER send "${2:-s}" "${3:-0.3}" >answers; }

case_full_queue() {
  helped listen s
  until_ test -S s
  sleep 0.1
  bad arm --control s --cpu
  [ -S s ] || fault "the socket of another program was removed"
  released
}
case_nothing_that_is_there_is_replaced() {
  victim
  ln -s guarded/victim link
  ln -s guarded/none dangling
  mkdir folder
  mkfifo fifo
  for path in guarded/victim link dangling folder fifo /dev/null none/s guarded/victim/s ''; do
    bad arm --control "$path" --cpu
  done
  bad arm --control "$(printf %0200d 0)" --cpu
  unharmed
}
case_abstract_names() {
  stopped 0.2 arm --control @s --cpu
  before=$(grep -c @ /proc/net/unix)
  bad arm --control '' --cpu
  [ "$(grep -c @ /proc/net/unix)" -le "$before" ] || fault "listens in the abstract namespace"
}
case_mode() {
  umask 0
  armed
  [ "$(stat -c %a s)" = 600 ] || fault "mode $(stat -c %a s)"
  disarmed
}
case_what_took_its_place_stays() {
  armed
  rm s
  echo precious >s
  kill -TERM $pid
  wait $pid
  judge stop $? arm
  same s precious
  rm s
  armed
  rm s
  helped listen s
  until_ test -S s
  kill -TERM $pid
  wait $pid
  [ -S s ] || fault "another program's socket was removed"
  released
}
case_of_a_killed_one_is_taken_over() {
  armed
  kill -KILL $pid
  wait $pid 2>/dev/null
  armed
  disarmed
}
case_second_one_is_refused() {
  armed
  bad arm --control s --cpu
  ask '{"request":"status"}\n'
  has answers '"ok"'
  disarmed
}
case_odd_requests() {
  armed --record r.lbsample
  for text in '\n' '{}\n' '[]\n' 'null\n' '0\n' '"start"\n' '{"request":1}\n' '{"request":"x"}\n' \
    '{"request":"start","request":"stop"}\n' '{"request":"stop"}\n' '{"request":"mark"}\n' \
    '{"request":"mark","name":"x\\n2026-01-01 00:00:00 info run.end: forged"}\n' \
    '{"request":"start","label":"\\u0000\\u001b[31m\\u202e"}\n{"request":"stop"}\n' \
    '{"request":"start","label":null}\n{"request":"disarm"}\n{"request":"stop"}\n' \
    '{"request":"start","label":"\xff"}\n' '{"request":"start"}\n{"request":"start"}\n' \
    '{"request":"start","label":"half' '\xff\xfe\x00\x01\n' '{"request":"\\ud800"}\n' \
    '{"request":"status","x":{"y":[1,2,{"z":null}]}}\n'; do
    ask "$text" s 0.05
  done
  { head -c 5000 /dev/zero | tr '\0' '['; echo; } | $HELPER send s 0.2 >answers
  head -c 1000000 /dev/urandom | $HELPER send s 0.2 >answers
  { printf '{"request":"start","label":"'; head -c 100000 /dev/zero | tr '\0' x; printf '"}\n'; } \
    | $HELPER send s 0.2 >answers
  ask '{"request":"status"}\n'
  has answers '"ok"'
  disarmed
  any runs show r.lbsample
  any runs show --journal r.lbsample
}
case_a_program_that_goes() {
  armed --record r.lbsample
  for _ in $(seq 10); do ask '{"request":"start","label":"x"}\n' s 0; done
  ask '{"request":"status"}\n'
  has answers '"ok"'
  disarmed
  good runs show r.lbsample
}
case_a_program_that_does_not_read() {
  armed
  (yes '{"request":"status"}' | head -n 20000; sleep 2) | $HELPER send s 0 >/dev/null &
  sleep 0.5
  disarmed
  wait
}
case_another_user() {
  root
  chmod 755 .
  armed
  chmod 666 s
  printf '{"request":"disarm"}\n' | as_nobody $HELPER send "$D/s" 0.3 >answers
  ! grep -q '"ok" *: *true' answers || fault "another user is served: $(cat answers)"
  kill -0 $pid || fault "another user ended it"
  disarmed
}
case_many_connections() {
  armed
  for _ in $(seq 20); do $HELPER send s 0 </dev/null; done
  [ "$(ls /proc/$pid/fd | wc -l)" -lt 40 ] || fault "$(ls /proc/$pid/fd | wc -l) descriptors"
  disarmed
}
