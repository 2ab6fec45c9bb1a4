# What else hostile hosts and habits bring about. LIMIT 8

case_speed_that_is_not_known() {
  mkdir -p sys/class/net/eth9
  printf -- '-1\n' >sys/class/net/eth9/speed
  printf '1\n' >sys/class/net/eth9/carrier
  printf '1500\n' >sys/class/net/eth9/mtu
  printf 'up\n' >sys/class/net/eth9/operstate
  any --links --sys-root sys -i 10ms --count 1 --format ndjson >n
  ! grep -q -- '-1000000' n || fault "a speed of -1000000"
}
case_home_is_empty() {
  unset XDG_DATA_HOME XDG_CONFIG_HOME
  [ ! -e /.local ] || skip "needs a host without /.local"
  HOME= any run -- true
  [ ! -e /.local ] || {
    fault "left /.local"
    rm -r /.local
  }
}
case_home_is_relative_or_odd() {
  unset XDG_DATA_HOME XDG_CONFIG_HOME
  for home in relative /dev/null "$D/none/x" $'\xff'; do HOME=$home any run -- true; done
  HOME=$D/home XDG_DATA_HOME= any run -- true
  HOME=$D/home XDG_DATA_HOME=relative any run -- true
}
case_environment_is_empty() { (exec env -i "$LB" --cpu -i 10ms --count 2); judge good $? --cpu; }
case_no_directory() {
  mkdir gone
  cd gone
  rmdir ../gone
  any --cpu -i 10ms --count 1
  any run --runs-dir "$D/d" -- true
  any config show
  any runs list
  cd "$D"
}
case_unreadable_directory() {
  root
  mkdir -m 700 d
  chmod 755 .
  (cd d && as_nobody env HOME=/nonexistent XDG_DATA_HOME=/nonexistent "$LB" --cpu -i 10ms --count 1)
  judge good $? --cpu
}
# A run that was killed leaves no server of its own behind without a word of it.
case_killed_run() {
  printf '%s\n' '[[phase]]' 'name = "server"' 'kind = "background"' \
    'command = "sh -c \"sleep 32; true\""' 'ready_command = "true"' \
    '[[phase]]' 'name = "work"' 'command = "sleep 31"' >p.toml
  "$LB" run --runs-dir d --plan p.toml >/dev/null 2>said &
  pid=$!
  until_ test -e d
  sleep 0.7
  kill -KILL $pid
  wait $pid 2>/dev/null
  good runs list --runs-dir d
  timeout -s TERM 3 "$LB" run --runs-dir d --resume last --result r.json >/dev/null 2>again
  # Whatever is still there of the first one was named.
  left=
  for one in /proc/[0-9]*; do
    [ "$(readlink "$one/cwd")" = "$D" ] || continue
    tr '\0' ' ' <"$one/cmdline" 2>/dev/null | grep -q '^sleep 3' || continue
    left="$left ${one#/proc/}"
    kill -KILL "${one#/proc/}"
  done
  [ -z "$left" ] || grep -q 'left processes running' again || fault "left running:$left: $(cat again)"
}
case_a_result_of_root_is_its_own() {
  root
  umask 022
  good run --runs-dir d -- true
  chmod 755 . d
  as_nobody cat d/*.lbsample >/dev/null 2>&1 && fault "others may read results of root"
  return 0
}
case_locked_by_another() {
  base run
  (flock -x 9; sleep 2) 9<run.lbsample &
  any runs show run.lbsample >/dev/null
  any export run.lbsample >/dev/null
  kill $!
  wait
}
case_huge_options() {
  for number in 99999999999999999999 -1 0 1e9 9223372036854775807 18446744073709551615 0x10 '' ; do
    "$LB" --cpu -i 10ms --count "$number" --quiet &
    sleep 0.1
    kill $! 2>/dev/null
    wait $!
    code=$?
    [ $code = 143 ] || judge any $code --count "$number"
    any run -r "$number" --dry-run -- true
    any run --timeout "${number}s" -- true
    any --top "$number" -i 10ms --count 1
    any --pin "$number" --cpu -i 10ms --count 1
    any -p "$number" -i 10ms --count 1
    any run --parameter-scan "n=1:$number:1" --dry-run -- echo '{n}' >/dev/null
  done 2>/dev/null
}
