# Result files whose bytes were changed; the program changes what stands in their tables. LIMIT 40

case_untouched() {
  base run
  good runs show run.lbsample
  for format in csv ndjson table; do good export --format $format run.lbsample >out; done
  good export --format lb -o lb run.lbsample
  good runs bundle run.lbsample -o t.tgz
  good runs list --runs-dir .
  only run.lbsample out lb t.tgz
}
case_no_result() {
  for made in ': >run.lbsample' 'echo x >run.lbsample' 'head -c 100 "$BASE/run.lbsample" >run.lbsample' \
    'head -c 4096 "$BASE/run.lbsample" >run.lbsample' 'head -c 200000 /dev/urandom >run.lbsample' \
    'head -c 200000 /dev/zero >run.lbsample' 'printf "SQLite format 3\0" >run.lbsample'; do
    rm -rf run.lbsample* lb
    eval "$made"
    bad runs show run.lbsample
    bad export run.lbsample
    bad runs bundle run.lbsample -o t.tgz
    any runs list --runs-dir .
    any run --runs-dir . --resume last
  done
}
case_many_files() {
  mkdir d
  for number in $(seq 60); do cp "$BASE/run.lbsample" d/$number.lbsample; done
  head -c 3000 /dev/urandom >d/x.lbsample
  any runs list --runs-dir d >list
  [ "$(wc -l <list)" -ge 60 ] || fault "$(wc -l <list) lines"
}
