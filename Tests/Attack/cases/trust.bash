# Files of others, which root believes or not. LIMIT 8

case_state_file_of_another() {
  root
  victim
  mkdir d
  cp "$BASE/run.lbsample" d/x.lbsample
  printf '%s\troot::0:0::/:/bin/sh\n' "$D/guarded/victim" >d/x.lbsample.host
  chown -R 65534:65534 d
  any run --runs-dir d --cpu -- true
  any runs remove --runs-dir d x
  any runs remove --runs-dir d --force x
  unharmed
}

case_state_file_of_another_path() {
  root
  victim
  mkdir d
  cp "$BASE/run.lbsample" d/x.lbsample
  for path in /proc/sys/kernel/core_pattern ../guarded/victim /sys/kernel/uevent_helper; do
    printf '%s\tx\n' "$path" >d/x.lbsample.host
    before=$(cat /proc/sys/kernel/core_pattern)
    any run --runs-dir d --cpu -- true
    [ "$(cat /proc/sys/kernel/core_pattern)" = "$before" ] || {
      fault "core_pattern was changed"
      echo "$before" >/proc/sys/kernel/core_pattern
    }
    [ ! -e "d/x.lbsample.host" ] || rm d/x.lbsample.host
  done
  unharmed
}

case_state_file_is_a_fifo() {
  mkdir d
  cp "$BASE/run.lbsample" d/x.lbsample
  mkfifo d/x.lbsample.host
  any run --runs-dir d --cpu -- true
  any runs remove --runs-dir d x
}

case_state_file_is_a_link() {
  root
  victim
  mkdir d
  ln -s "$D/guarded/victim" d/x.lbsample.host
  cp "$BASE/run.lbsample" d/x.lbsample
  any run --runs-dir d --name x --cpu --set-host aslr=0 --allow aslr -- true
  unharmed
}

# Nobody swaps ./collectors.conf between a link to a file of root and a file of his own.
case_configuration_is_swapped() {
  root
  mkdir d
  printf '[run]\nrepetitions = 7\n' >theirs.conf
  printf '[run]\nrepetitions = 1\n' >ours.conf
  chown 65534:65534 d theirs.conf
  (
    cd d
    $nobody bash -c 'while :; do
      ln -sfn ../ours.conf collectors.conf; cp ../theirs.conf x; mv -f x collectors.conf
    done' &
    swapper=$!
    for _ in $(seq 40); do "$LB" config show 2>/dev/null; done >../shown
    kill $swapper
    wait $swapper 2>/dev/null
  )
  ! grep -q 'run.repetitions *7' shown || fault "a configuration file of another was believed"
}

case_configuration_of_another() {
  root
  mkdir -p home/.config/lbsample config/lbsample d
  for file in home/.config/lbsample/collectors.conf config/lbsample/collectors.conf \
    d/collectors.conf; do
    printf '[run]\nrepetitions = 7\n' >$file
    chown 65534 $file
    chmod 666 $file
  done
  (cd d && any config show) >shown
  (unset XDG_CONFIG_HOME && any config show) >>shown
  ! grep -q 'run.repetitions *7' shown || fault "a configuration file of another was believed"
}

# What another user left in a directory of all is neither removed nor waited for.
case_socket_of_another() {
  root
  tool /usr/bin/python3
  mkdir -m 777 us
  $nobody /usr/bin/python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("us/theirs")'
  [ -S us/theirs ] || fault "nobody could not make a socket"
  bad serve --cpu --listen unix:us/theirs
  [ "$(stat -c %u us/theirs)" = 65534 ] || fault "the socket of another user was removed"
}

case_lock_of_another() {
  root
  mkdir -m 777 set
  good run --quiet --runs-dir d --name one -- true
  $nobody bash -c 'touch set/.lock; exec flock --no-fork set/.lock sleep 30' &
  holder=$!
  until_ test -e set/.lock
  bad export --runs-dir d one --format parquet --dataset set
  kill $holder
}

case_configuration_in_a_directory_of_all() {
  root
  mkdir -m 777 d
  printf '[run]\nrepetitions = 7\n' >d/collectors.conf
  (cd d && any config show) >shown
  ! grep -q 'run.repetitions *7' shown || fault "a directory that all may change was believed"
}

case_resumed_by_root() {
  root
  mkdir -m 1777 shared
  HOME=/nonexistent $nobody "$LB" run --runs-dir shared -r 5 --name theirs -- \
    sh -c "id -u >>$D/shared/who; sleep 0.3" 2>/dev/null >/dev/null &
  pid=$!
  until_ test -e shared/who
  kill -TERM $pid
  wait $pid
  bad run --runs-dir shared --resume last
  bad run --runs-dir shared --resume theirs
  ! grep -qx 0 shared/who || fault "the command of another user was executed as root"
}

case_draft_is_a_link() {
  victim
  ln -s guarded/made r.lbsample.new
  ln -s guarded/made r.lbsample-tail
  any --cpu -i 10ms --count 3 --record r.lbsample >/dev/null
  absent guarded/made
  unharmed
}

case_draft_is_of_others() {
  echo notes >k.lbsample.new
  echo log >k.lbsample-wal
  any --cpu -i 10ms --count 3 --record k.lbsample >/dev/null
  same k.lbsample.new notes
}

# Another user's link chooses no file for root, wherever a command writes to a name.
case_targets_are_links_of_another() {
  root
  victim
  base run
  mkdir d
  ln -s "$D/guarded/victim" d/x
  ln -s "$D/guarded" d/folder
  ln -s "$D/guarded/none" d/dangling
  chown -h 65534 d d/*
  for name in d/x d/dangling; do
    bad report run.lbsample -o $name
    bad report --format svg --metric 'cpu.user[all]' run.lbsample -o $name
    bad export run.lbsample -o $name
    bad export --format parquet run.lbsample -o $name
    bad runs bundle run.lbsample -o $name
    bad --cpu -i 10ms --count 1 --format csv -o $name
    bad run --runs-dir runs --result $name -- true
    bad run --runs-dir runs --events $name -- true
    bad run --runs-dir runs --log-file $name -- true
    bad run --runs-dir runs --workload-output $name -- echo x
    bad --cpu -i 10ms --count 1 --record $name
  done
  bad export --format parquet run.lbsample -o d/folder
  bad export --format parquet --dataset d/folder run.lbsample
  bad export --format lb run.lbsample -o d/folder
  unharmed
}
# One's own links are followed, as by a shell, and so are those of the system.
case_targets_are_own_links() {
  base run
  mkdir e
  ln -s e/out link
  ln -s link again
  good export run.lbsample -o again
  [ -s e/out ] || fault "a link of one's own was not followed"
  good export run.lbsample -o /dev/stdout >out
  [ -s out ] || fault "/dev/stdout was not written to"
}
# A draft of an export that another user makes in the way is left alone.
case_drafts_of_exports_are_links() {
  victim
  base run
  ln -s guarded ".t-1.draft"
  ln -s guarded/victim ".x.parquet-1.draft"
  mkdir set
  ln -s ../guarded "set/.run=x-1.draft"
  ln -s ../guarded/victim set/runs.parquet
  good export --format parquet run.lbsample -o t
  good export --format parquet --metric 'cpu.*' run.lbsample -o x.parquet
  good export --format parquet --dataset set run.lbsample
  unharmed
}
# The directory of a run's own files is no link to another one.
case_files_of_a_run_are_a_link() {
  victim
  mkdir -p guarded/main/repetition-1-1 guarded/main/repetition-2-1
  echo kept >guarded/main/repetition-1-1/file
  echo kept >guarded/main/repetition-2-1/file
  guard
  "$LB" run --runs-dir d --name w -r 3 --workspace empty -- sh -c 'sleep 0.6' >/dev/null 2>said &
  pid=$!
  until_ test -e d
  sleep 0.3
  kill -KILL $pid
  wait $pid 2>/dev/null
  for file in d/*.lbsample; do
    rm -rf "${file%.lbsample}.files"
    ln -s "$D/guarded" "${file%.lbsample}.files"
  done
  bad run --runs-dir d --resume last --end-leftovers
  unharmed
}

case_log_of_a_file_is_a_link() {
  victim
  base run
  ln -s guarded/victim run.lbsample-wal
  ln -s guarded/victim run.lbsample-tail
  any runs show run.lbsample >/dev/null
  any export run.lbsample >/dev/null
  any runs remove run.lbsample
  unharmed
}

case_removing_does_not_follow() {
  victim
  base run
  mkdir guarded/tree
  echo kept >guarded/tree/file
  guard
  ln -s guarded/tree run.lbsample.files
  any runs remove --runs-dir . run.lbsample
  any runs remove --runs-dir . --force run
  unharmed
}

case_output_over_an_input() {
  base run
  cp run.lbsample before
  any export run.lbsample -o run.lbsample
  any runs bundle run.lbsample -o run.lbsample
  cmp -s before run.lbsample || fault "the input was overwritten"
}

case_output_is_a_dangling_link() {
  mkdir guarded
  guard
  ln -s guarded/made t.tgz
  base run
  any runs bundle run.lbsample -o t.tgz
  unharmed
}

case_bundle_names() {
  base run
  for name in host:x.tgz --version -x.tgz @x.tgz; do
    rm -f -- "$name"
    "$LB" runs bundle run.lbsample -o "$name" >said
    code=$?
    judge any $code runs bundle -o "$name"
    [ $code != 0 ] || tar --force-local -tzf "$D/$name" >/dev/null 2>&1 \
      || fault "said to be packed: $name"
  done
}

case_bundle_takes_no_tar_of_the_directory() {
  base run
  printf '#!/bin/sh\ntouch %s/executed\n' "$D" >tar
  chmod +x tar
  good runs bundle run.lbsample -o t.tgz
  absent executed
}

case_workload_has_no_privilege() {
  root
  cp "$(command -v id)" ./id
  chmod 755 . id
  SUDO_UID=65534 SUDO_GID=65534 good run --runs-dir "$D/runs" --result r.json -- sh -c \
    'grep -E "^(CapInh|CapPrm|CapEff|CapAmb|Uid|Groups)" /proc/self/status; ls /proc/self/fd'
  "$LB" runs show --runs-dir "$D/runs" --show-output last >said 2>&1
  ! grep -E 'Cap(Inh|Prm|Eff|Amb):.*[1-9a-f]' said || fault "the workload keeps a capability"
  grep -q 'Uid:.*65534' said || fault "the workload is not the user who called sudo"
  for user in -1 4294967296 x ''; do
    SUDO_UID=$user SUDO_GID=$user "$LB" run --runs-dir "$D/runs" -- id -u >said 2>&1
    code=$?
    judge any $code run as "$user"
  done
}
