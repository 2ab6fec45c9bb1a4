# What the cases are written with: read before each of them, in an empty folder of its own.
#
# LB is the command, BASE a folder of result files to damage: run.lbsample (three repetitions),
# record.lbsample (a recording) and killed.lbsample with its log and tail (one whose writer was
# killed); SEALED is 1 where a file tells by itself that it was changed. HELPER does what a shell cannot: 'listen PATH' listens at a socket and accepts nobody, its
# queue full; 'send PATH SECONDS' sends its input to one and prints what is answered; 'terminal'
# prints the name of a terminal that nobody reads. The program judges what a case says on standard output and standard error (no control
# characters), what it leaves in tmp (nothing) and which processes it leaves (none).
D=$PWD
export TMPDIR=$D/tmp HOME=$D/home XDG_DATA_HOME=$D/data XDG_CONFIG_HOME=$D/config LC_ALL=C
unset SUDO_UID SUDO_GID SUDO_USER
mkdir -p "$TMPDIR" "$HOME"

# fault WORD…: the try has failed.
fault() { printf '%s\n' "$*" >>"$D/faults"; }
# skip WORD…: it cannot be tried here.
skip() {
  printf '%s\n' "$*" >>"$D/skipped"
  exit 0
}
# root, tool NAME: skips where that is not there.
root() { [ "$(id -u)" = 0 ] || skip "needs root"; }
tool() { command -v "$1" >/dev/null || skip "needs $1"; }

# judge WANTED CODE ARGUMENT…: holds an exit code against what it should be.
judge() {
  local wanted=$1 code=$2
  shift 2
  case $code in
    0 | 2 | 3 | 4 | 5 | 6) ;;
    1) fault "lbsample $*: an internal error" ;;
    130 | 143) [ "$wanted" = stop ] || fault "lbsample $*: exit code $code without a stop" ;;
    *) fault "lbsample $*: ended with $code" ;;
  esac
  case $wanted in
    good) [ "$code" = 0 ] || fault "lbsample $*: exit code $code, and it should succeed" ;;
    bad) [ "$code" != 0 ] || fault "lbsample $*: exit code 0, and it is a failure" ;;
    stop) [ "$code" = 130 ] || [ "$code" = 143 ] || fault "lbsample $*: exit code $code at a stop" ;;
  esac
}
# any, good, bad ARGUMENT…: runs the command; its end is a clean one, a success, a failure.
any() {
  "$LB" "$@"
  judge any $? "$@"
}
good() {
  "$LB" "$@"
  judge good $? "$@"
}
bad() {
  "$LB" "$@"
  judge bad $? "$@"
}
# limited LIMITS WANTED ARGUMENT…: the same under limits of ulimit(1), as in '-n 9'.
limited() {
  local limits=$1 wanted=$2
  shift 2
  (
    ulimit $limits || exit 0
    exec "$LB" "$@"
  )
  judge "$wanted" $? "(ulimit $limits)" "$@"
}
# stopped SECONDS ARGUMENT…: ended by SIGTERM after so long. `wait` waits for no longer than the
# program lets a case take.
stopped() {
  local seconds=$1 pid
  shift
  "$LB" "$@" &
  pid=$!
  sleep "$seconds"
  kill -TERM "$pid"
  wait "$pid"
  judge stop $? "$@"
}
# until CONDITION…: waits for it, for two seconds at most.
until_() {
  local left=200
  until "$@"; do
    sleep 0.01
    left=$((left - 1))
    [ $left -gt 0 ] || return 1
  done
}
# helped WORD…: HELPER in the background, for as long as the case takes.
helped() {
  $HELPER "$@" &
  helpers="${helpers:-} $!"
}
# released: ends those.
released() {
  kill ${helpers:-}
  wait ${helpers:-} 2>/dev/null
  helpers=
}
# as_nobody COMMAND…: as a user without any privilege, by setresuid(2). In the background $nobody, which
# is one process with the command, is what can be ended.
nobody="setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all"
as_nobody() { $nobody "$@"; }
# victim: a file of ours that nothing may change.
victim() {
  mkdir -p guarded
  echo precious >guarded/victim
  chmod 600 guarded/victim
  guard
}
# guard: what is in the folder guarded is as it is now at the end.
guard() { (cd guarded && find . -printf '%p %y %m %U %s %T@ %l\n' | sort) >"$D/guarded.before"; }
unharmed() {
  (cd guarded && find . -printf '%p %y %m %U %s %T@ %l\n' | sort) >"$D/guarded.after"
  cmp -s "$D/guarded.before" "$D/guarded.after" \
    || fault "guarded is not as it was: $(diff "$D/guarded.before" "$D/guarded.after" | tr '\n' ' ')"
}
# same FILE TEXT: the file says so, and nothing else.
same() { [ "$(cat "$1" 2>&1)" = "$2" ] || fault "$1 says $(head -c 200 "$1" 2>&1)"; }
# has FILE TEXT: some line of it has the text.
has() { grep -qF -- "$2" "$1" || fault "$1 does not say '$2': $(head -c 300 "$1" 2>&1)"; }
# absent PATH…: nothing is called so.
absent() {
  local path
  for path; do [ ! -e "$path" ] && [ ! -L "$path" ] || fault "left $path"; done
}
# page FILE: a page or a picture, where it was made, has no element and no control of a name.
page() {
  [ -e "$1" ] || return 0
  # Its own two scripts, one of which has its data.
  [ "$(grep -ao '<script' "$1" | wc -l)" -le 2 ] || fault "$1 has another script"
  ! LC_ALL=C grep -aqE $'<b>&|<img|<!--<|\x1b|\x07|\x7f|\xe2\x80[\x8e\x8f\xa8-\xae]' "$1" \
    || fault "$1 has what a name says: $(LC_ALL=C grep -aoE $'.{20}(<b>&|<img|<!--<|\x1b|\x7f|\xe2\x80[\x8e\x8f\xa8-\xae]).{0,20}' "$1" | head -n 1 | cat -v)"
}
# base NAME [AS]: a copy of a result file.
base() {
  local one
  for one in "$BASE/$1".lbsample*; do cp "$one" "${2:-$1}.lbsample${one#"$BASE/$1".lbsample}"; done
}
# only NAME…: nothing else stands in this folder.
only() {
  local name
  for name in * .[!.]*; do
    case " $* tmp home data config faults skipped guarded guarded.before guarded.after * .[!.]* " in
      *" $name "*) ;;
      *) fault "left $name" ;;
    esac
  done
}
# read_all: whatever reads run.lbsample reads it, or says what is wrong with it.
read_all() {
  any runs show run.lbsample
  any runs show --all --journal --show-output run.lbsample
  "$LB" runs show --format json run.lbsample >json
  local code=$? format
  judge any $code runs show --format json
  any runs show --format yaml run.lbsample >yaml
  for format in csv ndjson table; do any export --format $format run.lbsample >$format; done
  any export --format lb -o lb run.lbsample
  any export --from 50ms --to 200ms --raw run.lbsample >raw
  any export --format parquet -o tables run.lbsample
  any export --format parquet --dataset set run.lbsample
  any report run.lbsample -o page.html
  page page.html
  any report --format svg --metric 'cpu.user[all]' run.lbsample -o chart.svg
  page chart.svg
  any view run.lbsample >view
  mkdir other
  cp "$BASE/run.lbsample" other/other.lbsample
  any compare other/other.lbsample run.lbsample
  any history run --any-host --metric '*' --runs-dir .
  any runs bundle run.lbsample -o t.tgz
  any runs list --runs-dir .
  # What is told of a file that was changed is what stood in it, or it is refused.
  if [ "${SEALED:-0}" = 1 ] && [ $code = 0 ]; then
    grep -v '"file"' json | cmp -s - "$BASE/run.json" || fault "what is told was changed, with exit code 0"
  fi
  any run --runs-dir . --resume run
  any runs remove --force --runs-dir . run.lbsample
  only run.lbsample run.lbsample-tail run.lbsample-wal run.lbsample-shm run.lbsample-journal json \
    yaml csv ndjson table lb raw t.tgz .index tables set page.html chart.svg view other
}
