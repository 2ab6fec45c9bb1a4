# Configuration files and plans. LIMIT 8

# nested COUNT TEXT: the text so many times, up to 1,000,000 bytes.
nested() { yes -- "$2" | head -n "$1" | tr -d '\n' | head -c 1000000; }
plan() { printf '[[phase]]\nname = "one"\nkind = "command"\ncommand = "true"\n'; }

case_nul_in_a_configuration() {
  printf '[run]\nrepetitions = 2\n\0rubbish' >c.conf
  bad config check c.conf
  bad config show --config c.conf
  bad run --config c.conf -- true
}
case_no_utf8_in_a_configuration() {
  printf '[run]\nname = "\xff\xfe"\n' >c.conf
  bad config check c.conf
}
case_nul_in_a_plan() {
  { plan; printf '\0'; plan; } >p.toml
  bad run --plan p.toml --dry-run
  printf '[[phase]]\nname = "one"\nkind = "command"\ncommand = "tr\\u0000ue"\n' >p.toml
  bad run --plan p.toml --dry-run
  bad run --plan p.toml
  printf '[[phase]]\nname = "a\\U00000000b"\nkind = "command"\ncommand = "true"\n' >p.toml
  bad run --plan p.toml
  printf '[run]\nruns_dir = "a\\u0000b"\n' >c.conf
  bad config check c.conf
}
case_no_utf8_in_a_plan() {
  printf '[[phase]]\nname = "one"\nkind = "command"\ncommand = "echo \xff"\n' >p.toml
  bad run --plan p.toml --dry-run
}
case_more_than_a_mebibyte() {
  {
    plan
    printf '# '
    nested 1048576 x
    printf '\n'
    plan
  } >p.toml
  bad run --plan p.toml --dry-run
  {
    printf '[run]\nrepetitions = 2\n# '
    nested 1048576 x
    printf '\nrubbish\n'
  } >c.conf
  bad config check c.conf
}
case_dotted_keys() {
  for count in 300 3000 400000; do
    { printf a; nested $count .a; printf ' = 1\n'; } >c.conf
    bad config check c.conf
    bad run --plan c.conf --dry-run
    { printf '[a'; nested $((count / 2)) .a; printf ']\nb = 1\n'; } >c.conf
    bad config check c.conf
    { printf 'x = {a'; nested $((count / 2)) .a; printf ' = 1}\n'; } >c.conf
    bad config check c.conf
  done
}
case_brackets() {
  for count in 1 3 300 500000; do
    for bracket in '[' '{a=' '[{a=[' '"' '[[phase.'; do
      nested "$count" "$bracket" >c.conf
      bad config check c.conf
      { printf 'a = '; cat c.conf; } | head -c 1000000 >d.conf
      bad config check d.conf
      bad run --plan d.conf --dry-run
    done
  done
}
case_headers_without_a_name() {
  for text in '[#]' '[.a]' '[[[' '[[.' '[ ' '[=]' '[{' '[,' '[\n]' '[\t\xc3\xbc]' '[ [a]]' '[]' \
    'a = []\n[a.b]' 'a = []\n[[a.b]]' 'a = 1\n[a]' 'a = {b=}' '{' ']' '.a = 1' 'a..b = 1'; do
    printf "$text" >c.conf
    bad config check c.conf
    bad run --plan c.conf --dry-run
  done
}
case_found_in_the_directory() {
  { printf a; nested 400000 .a; printf ' = 1\n'; } >collectors.conf
  for command in "--cpu -i 10ms --count 1" "run -- true" "config show" "runs list"; do
    bad $command
  done
}
case_lines_of_crlf() {
  printf '[sample]\r\nintervall = "1s"\r\n\r\n[samplng]\r\n' >c.conf
  "$LB" config check c.conf 2>said
  judge bad $? config check
  has said c.conf:2:
  has said c.conf:4:
}
case_include_bomb() {
  for level in 0 1 2 3 4 5 6; do
    for number in 0 1 2 3 4 5 6 7 8 9; do
      printf '[[phase]]\nname = "i%d"\nkind = "include"\nfile = "%d.toml"\n' $number $((level + 1))
    done >$level.toml
  done
  plan >7.toml
  bad run --plan 0.toml --dry-run
  bad run --plan 0.toml
}
case_include_bomb_of_names() {
  for level in 0 1 2 3 4 5; do
    for number in 0 1 2 3 4 5 6 7 8 9; do
      printf '[[phase]]\nname = "i%d-%d-{a}"\nkind = "include"\nfile = "%d.toml"\n' $level $number \
        $((level + 1))
      printf 'parameters = {a = "{a}%d"}\n' $number
    done >$level.toml
  done
  plan >6.toml
  any run --plan 0.toml --dry-run >/dev/null
}
case_mistakes_without_end() {
  nested 100000 '[[phase]]' | sed 's/\]\]\[/]]\n[/g' >p.toml
  bad run --plan p.toml --dry-run 2>said
  { printf 'validate = "soft"\n'; head -n 2000 p.toml; } >soft.toml
  bad run --plan soft.toml --dry-run 2>said
}
case_repeat_bomb() {
  {
    printf '[[phase]]\nname = "r"\nkind = "repeat"\nparameters = {a = [%s]}\n' "$(seq -s, 40)"
    printf '[[phase.phase]]\nname = "s"\nkind = "repeat"\nparameters = {b = [%s]}\n' "$(seq -s, 40)"
    printf '[[phase.phase.phase]]\nname = "t"\ncommand = "echo {a} {b}"\n'
  } >p.toml
  any run --plan p.toml --dry-run >/dev/null
}
case_odd_includes() {
  : >empty.toml
  mkfifo fifo.toml
  ln -s loop.toml loop.toml
  mkdir folder.toml
  for file in /dev/zero empty.toml fifo.toml loop.toml folder.toml none.toml p.toml /proc/self/mem; do
    printf '[[phase]]\nname = "i"\nkind = "include"\nfile = "%s"\n' $file >p.toml
    [ $file = fifo.toml ] || bad run --plan p.toml --dry-run
  done
}
case_not_a_plan() {
  for text in '' '#' '[[phase]]' 'phase = 1' 'phase = [1]' '[phase]' 'phase = [[]]' \
    '[[phase]]\nname = 1' '[[phase]]\nname = "../x"\ncommand = "true"' \
    '[[phase]]\nname = ""\ncommand = "true"' '[[phase]]\nname = ".."\ncommand = "true"' \
    '[[phase]]\nname = "a"\ncommand = []' '[[phase]]\nname = "a"\ncommand = ""' \
    '[[phase]]\nname = "a"\ncommand = "true"\nrepetitions = -1' \
    '[[phase]]\nname = "a"\ncommand = "true"\nrepetitions = 9223372036854775807' \
    '[[phase]]\nname = "a"\ncommand = "true"\ntimeout = "99999999999h"' \
    '[[phase]]\nname = "a"\ncommand = "true"\nwhen = "((((((((((1))))))))"' \
    '[[phase]]\nname = "a"\non_failure = "a"\ncommand = "true"'; do
    printf "$text" >p.toml
    bad run --plan p.toml --dry-run
  done
}
