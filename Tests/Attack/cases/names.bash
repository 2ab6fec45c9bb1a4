# Names that anybody may choose, on a terminal, in a file, in a message. LIMIT 30

ESCAPE=$'\e]0;owned\a' LINES_=$'x\n2026-01-01 00:00:00 info run.end: forged' DELETE=$'a\x7fb' \
  BROKEN=$'\xff\xfe'
# By their bytes: under LC_ALL=C bash does not write \u as UTF-8.
MARKUP='</script><b>&"'\''<img src=x>' SEPARATOR=$'a\xe2\x80\xa8b\xe2\x80\x8f'
BIDI=$'\xe2\x80\xaeabc' CSI=$'\xc2\x9b31m' COMBINING=$'a,\xcc\x81b' QUOTE=$'q"\xcc\x81z'
all() {
  local name
  for name in "$ESCAPE" "$LINES_" "$BIDI" "$CSI" "$DELETE" "$BROKEN" "$COMBINING" "$QUOTE" '../../x' \
    '-n' '$(touch executed)' "'; touch executed; '" "$MARKUP" "$SEPARATOR" ''; do
    "$@" "$name"
  done
}

case_name_of_a_run() {
  one() {
    any run --name "$1" --notify 'echo "$LBSAMPLE_RUN"' -- true
    any runs list
    any runs show last
    any runs show --journal last
  }
  all one
  absent executed
  find data -name '*.lbsample' >files
  ! grep -aq '[^ -~]' files || fault "a file's name: $(cat -v files | head -n 3)"
  [ "$(find . -name '*.lbsample' | wc -l)" = "$(find data/lbsample/runs -name '*.lbsample' | wc -l)" ] \
    || fault "a result stands outside the directory"
}
# Pages, pictures and tables that are made of a run whose every name is anybody's.
case_pages_and_tables() {
  number=0
  one() {
    number=$((number + 1))
    "$LB" run --runs-dir d$number --name "$1" --label "k=$1" --label "$1=v" --cpu -i 20ms \
      --workload-output keep --metric-json 'm=m' -- sh -c 'sleep 0.05; echo "$0"; echo "{\"m\": 1}"' "$1"
    judge any $? run "$1"
    # Not every one can be a name.
    [ -e d$number ] || any run --runs-dir d$number --cpu -i 20ms -- echo "$1"
    good report --runs-dir d$number last -o p$number.html
    page p$number.html
    good report --runs-dir d$number --format svg --metric 'cpu.user[all]' last -o p$number.svg
    page p$number.svg
    good export --runs-dir d$number --format parquet last -o t$number
    good export --runs-dir d$number --format parquet --dataset set last
    good view --runs-dir d$number last
    any compare --runs-dir d$number last last
    any history --runs-dir d$number --any-host "$1"
    any history --runs-dir d$number --any-host "k=$1" --format markdown
    any compare --runs-dir d$number "$1" last
    any report --runs-dir d$number "$1" -o x$number.html
    rm -f x$number.html
  } 2>&1
  all one
  absent executed
  find t* set -type f | grep -qv '^\(t[0-9]*\|set\(/run=[A-Za-z0-9._=-]*\)\?\)/[A-Za-z0-9._-]*$' \
    && fault "a table's name: $(find t* set -type f | cat -v | head -n 3)"
  ls -A | grep -qvE '^(d|p|t)[0-9]+(\.html|\.svg)?$|^set$|^(tmp|home|data|config|faults|skipped)$' \
    && fault "left $(ls -A | cat -v | tr '\n' ' ')"
  return 0
}
case_label_and_environment() {
  one() {
    any run --label "k=$1" --env "V=$1" --parameter "p=$1" -- sh -c 'printf %s "$V" >v' _ "{p}"
    any runs show last
    any runs show --format json last >r.json
    any runs show --format yaml last >r.yaml
    any run --label "$1=v" --env "$1=v" -- true
  }
  all one
  absent executed
}
case_combining_mark_behind_equals() {
  good run --label "k="$'\xcc\x81x' -- true
  good run --env "K="$'\xcc\x81x' -- sh -c 'test -n "$K"'
}
case_command() {
  one() {
    any run -- "$1"
    any run -- echo "$1"
    any run --command "$1" --dry-run
    any runs show last
  }
  all one
  absent executed
}
case_message() {
  one() {
    any runs show "$1"
    any export "$1"
    any config check "$1"
    any --only "$1" --cpu --count 1 -i 10ms
    any --cpu --require "$1"
    any "--x$1"
    any run --plan "$1"
    any --cgroup "$1" --count 1 -i 10ms
    any run --metric "$1=x([0-9])" -- echo x1
    any arm --cpu --control "$D/none/$1"
    any run --input "$1" --log-file log -- true
  } 2>&1
  all one
  absent executed
}
case_value_of_a_configuration() {
  one() {
    printf '[run]\nruns_dir = "%s"\n"%s" = 1\n["%s"]\na = 1\n' "$1" "$1" "$1" >c.conf
    any config check c.conf
    any config show --config c.conf
    LBSAMPLE_RUN_REPETITIONS="$1" any config show
  } 2>&1
  all one
}
case_file_of_a_result() {
  one() {
    [ -n "$1" ] || return 0
    case $1 in */*) return 0 ;; esac
    cp "$BASE/run.lbsample" "./$1.lbsample"
    any runs show "./$1.lbsample"
    any runs list --runs-dir .
    any --cpu -i 10ms --count 2 --record "./$1.r" >/dev/null
    any --cpu -i 10ms --count 2 -o "./$1.o" >/dev/null
    rm -f "./$1.lbsample"
  } 2>&1
  all one
}
case_output_of_a_workload() {
  one() {
    any run --show-output -- printf '%s\n' "$1" 2>said
    any runs show last
    any runs show --journal last
    any run --log-file log --metric 'm=(x)' -- printf '%s\n' "$1"
    any run --log-file log --name "$1" -- false
  }
  all one
  ! grep -a '^2026-01-01 00:00:00' log || fault "an entry of the log is forged"
}

# A process may call itself anything (PR_SET_NAME), a line feed too.
case_name_of_a_process() {
  one() {
    bash -c 'printf %s "$1" >/proc/$$/comm; echo >ready; read -r _ <never' _ "$1" &
    pid=$!
    until_ test -e ready
    rm ready
    good -p $pid --count 3 -i 20ms --format ndjson >n
    good -p $pid --tree $pid --top 5 --count 2 -i 20ms
    kill $pid
    wait $pid 2>/dev/null
  }
  mkfifo never
  sleep 60 3>never 4<never &
  holder=$!
  all one
  kill $holder
}
case_renamed_while_sampled() {
  bash -c 'while :; do printf "x\ny) R 1" >/proc/$$/comm; printf "z" >/proc/$$/comm; done' &
  pid=$!
  good -p $pid --count 40 -i 10ms --format ndjson --only 'process.*' >n
  kill $pid
  wait $pid 2>/dev/null
  ! grep -q malformed n || fault "readings were lost: $(grep -m 1 malformed n)"
}

case_interfaces() {
  root
  tool ip
  export -f any judge fault good
  unshare -n true 2>/dev/null || skip "needs a network namespace"
  unshare -n bash -c '
    for name in "$@"; do ip link add "$name" type bridge 2>/dev/null; done
    good --net --links -i 10ms --count 3 --format csv >net.csv
    good --net --links -i 10ms --count 3 --format ndjson >net.ndjson
    good --net --links -i 10ms --count 3
    good --net --links -i 10ms --count 3 --net-source netlink
  ' _ "$ESCAPE" $'x\ny' "$BIDI" "$CSI" "$DELETE" $'\xff' $'\xfe' "$COMBINING" "$QUOTE" '=1+1' 'a,b' 'a"b'
  columns net.csv
}
# The header of a CSV file has as many cells as each of its rows: by a comma outside quotes.
columns() {
  awk 'BEGIN { RS = "\r?\n" } {
    line = $0; cells = 1; quoted = 0
    for (i = 1; i <= length(line); i++) {
      c = substr(line, i, 1)
      if (c == "\"") quoted = !quoted
      else if (c == "," && !quoted) cells++
    }
    if (first == "") first = cells
    if (cells != first) { print FNR ": " cells " cells, the header has " first; exit 1 }
  }' "$1" >said || fault "$1: $(cat said)"
}
case_control_groups() {
  root
  for top in /sys/fs/cgroup/unified /sys/fs/cgroup; do
    [ -e $top/cgroup.procs ] && [ -e $top/cgroup.controllers ] && break
  done
  [ -e $top/cgroup.controllers ] || skip "needs control groups of version 2"
  mkdir "$top/lb-attack-$$" 2>/dev/null || skip "needs a writable control group"
  one() {
    case $1 in '' | */* | *$'\n'*) return 0 ;; esac
    mkdir "$top/lb-attack-$$/$1" || return 0
    any --cgroup "$top/lb-attack-$$/$1" -i 10ms --count 2 --format csv >c.csv
    columns c.csv
    any --cgroup "$top/lb-attack-$$/$1" -i 10ms --count 2
    rmdir "$top/lb-attack-$$/$1"
  }
  all one
  rmdir "$top/lb-attack-$$"
}
