#!/usr/bin/env bash
# Checks that the committed artifacts are those of the committed sources.
#
#   contracts/check.sh            compares hashes; needs neither network nor compiler nor node_modules (the libraries'
#                                 sources are compared where they are there; elsewhere their pinned version)
#   contracts/check.sh --rebuild  compiles too, and compares the artifacts
set -euo pipefail
cd "$(dirname "$0")"

shopt -s nullglob
manifest=artifacts/manifest.json
bad=0
complain() { echo "check.sh: $*" >&2; bad=1; }

[[ -f $manifest ]] || { complain "contracts/$manifest is missing: contracts/build.sh"; exit 1; }

compare() { # folder, extension, field of the manifest, remedy
    local file name
    for file in "$1"/*."$2"; do
        name=${file##*/}
        if [[ $file == "$manifest" ]]; then continue; fi
        [[ $(sha256sum "$file" | cut -d' ' -f1) == "$(jq -r --arg name "$name" ".$3[\$name]" "$manifest")" ]] ||
            complain "contracts/$file is not the file that manifest.json names: contracts/build.sh"
    done
    while read -r name; do
        [[ -f $1/$name ]] || complain "contracts/$1/$name is missing: contracts/build.sh"
    done < <(jq -r ".$3 | keys[]" "$manifest")
}
compare src sol sources
compare generated sol generated
compare artifacts json artifacts

# The libraries: pinned in package.json, and by the hash of the package in package-lock.json.
while read -r package; do
    field() { jq -r --arg name "$package" "$1" "$2"; }
    [[ $(field '.packages[$name].version' "$manifest") == "$(field '.devDependencies[$name]' ../package.json)" ]] ||
        complain "the artifacts are of another version of $package than package.json pins: contracts/build.sh"
    [[ $(field '.packages[$name].integrity' "$manifest") == "$(field '.packages["node_modules/" + $name].integrity' ../package-lock.json)" ]] ||
        complain "the artifacts are of another $package than package-lock.json has: contracts/build.sh"
done < <(jq -r '.packages | keys[]' "$manifest")
while read -r file hash; do
    [[ -f ../node_modules/$file ]] || continue
    [[ $(sha256sum "../node_modules/$file" | cut -d' ' -f1) == "$hash" ]] ||
        complain "node_modules/$file is not the file that the artifacts were made of: make setup, or contracts/build.sh"
done < <(jq -r '.libraries | to_entries[] | "\(.key) \(.value)"' "$manifest")

compiler=$(jq -r .compiler "$manifest")
pinned=$(jq -r .devDependencies.solc ../package.json)
[[ $compiler == "$pinned"* ]] || complain "the artifacts are of solc $compiler, but package.json pins $pinned"

if [[ ${1:-} == --rebuild ]]; then
    rebuilt=$(mktemp -d)
    trap 'rm -rf "$rebuilt"' EXIT
    node build.mjs "$rebuilt"
    diff -r artifacts "$rebuilt" >/dev/null || complain "the artifacts come out different when they are compiled again"
fi
((bad == 0)) && echo "check.sh: the contracts' artifacts match their sources"
exit "$bad"
