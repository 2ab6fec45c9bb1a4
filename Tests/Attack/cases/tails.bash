# What a killed recording left. LIMIT 6

case_whole() {
  base killed
  good export killed.lbsample --raw >before
  good runs show killed.lbsample >/dev/null
  good export killed.lbsample --raw >after
  [ "$(wc -l <before)" = "$(wc -l <after)" ] || fault "$(wc -l <before) rows, then $(wc -l <after)"
  [ "$(wc -l <before)" -gt 100 ] || fault "$(wc -l <before) rows"
}
# damaged: after some damage to the tail of killed.lbsample nothing of it is lost unseen.
damaged() {
  local size
  size=$(stat -c %s killed.lbsample-tail)
  "$LB" runs show killed.lbsample >/dev/null 2>said
  code=$?
  judge any $code runs show
  "$LB" export killed.lbsample --raw >after 2>>said
  judge any $? export
  [ "$(wc -l <after)" -ge "$(wc -l <before)" ] && return
  [ $code != 0 ] || fault "$(wc -l <before) rows, then $(wc -l <after), exit code 0"
  cat killed.lbsample-tail killed.lbsample-tail.damaged 2>/dev/null | wc -c | grep -qx "$size" \
    || fault "the damaged tail of $size bytes is gone"
}
whole() {
  rm -f killed.lbsample*
  base killed
  cp killed.lbsample x.lbsample
  for one in killed.lbsample?*; do cp "$one" "x${one#killed}"; done
  "$LB" export x.lbsample --raw >before 2>said
}
case_a_bit() {
  whole
  printf '\xff' | dd of=killed.lbsample-tail bs=1 seek=5000 conv=notrunc 2>/dev/null
  damaged
}
case_cut() {
  for size in 0 7 8 39 40 41 1000 5003; do
    whole
    truncate -s $size killed.lbsample-tail
    "$LB" runs show killed.lbsample >/dev/null 2>said
    judge any $? runs show
  done
}
case_grown() {
  whole
  head -c 100000 /dev/urandom >>killed.lbsample-tail
  damaged
}
case_log_is_missing() {
  whole
  rm killed.lbsample-wal killed.lbsample-shm
  damaged
}
case_of_another_run() {
  whole
  cp killed.lbsample-tail run.lbsample-tail
  cp "$BASE/run.lbsample" .
  any export run.lbsample >/dev/null
  any runs show run.lbsample >/dev/null
}
case_no_file() {
  victim
  for made in 'mkdir killed.lbsample-tail' 'mkfifo killed.lbsample-tail' \
    'ln -s guarded/victim killed.lbsample-tail' 'ln -s /dev/zero killed.lbsample-tail' \
    'ln -s killed.lbsample-tail killed.lbsample-tail' 'truncate -s 1T killed.lbsample-tail'; do
    whole
    rm -rf killed.lbsample-tail
    eval "$made"
    any runs show killed.lbsample >/dev/null
    any export killed.lbsample >/dev/null
    any runs remove --force killed.lbsample >/dev/null
    rm -rf killed.lbsample*
  done
  unharmed
}
case_kept_aside_is_a_link() {
  victim
  whole
  ln -s guarded/victim killed.lbsample-tail.damaged
  printf '\xff' | dd of=killed.lbsample-tail bs=1 seek=5000 conv=notrunc 2>/dev/null
  any runs show killed.lbsample >/dev/null
  unharmed
}
