# shellcheck shell=bash
# Tests that do nothing on this machine say so in a file (`crates/skipped`): test runners keep to themselves what passing tests
# print. The file is shown when the script that sources this ends, however it ends.
PROOFMILL_TEST_SKIPPED=$(mktemp)
export PROOFMILL_TEST_SKIPPED
show_skipped() {
  if [[ -s $PROOFMILL_TEST_SKIPPED ]]; then
    printf '\n== tests that did nothing on this machine\n'
    sort -u "$PROOFMILL_TEST_SKIPPED"
  fi
  rm -f "$PROOFMILL_TEST_SKIPPED"
}
trap show_skipped EXIT
