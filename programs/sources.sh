# shellcheck shell=bash
# What a guest is built from. Sourced by build.sh and check.sh, which must agree on it.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Crates of the repository's own workspace that are compiled into the guests.
shared_crates=(stateless optimism derivation program)

# Crates beside the guests' workspaces that are compiled into them.
beside=(curves hasher heap precompiles secp256k1)

# The repository's manifest, reduced to what those crates inherit from it: other crates' dependencies do not make
# the guests out of date.
reduced_manifest() {
    local names
    names=$(for crate in "${shared_crates[@]}"; do
        sed -nE '/^\[(dependencies|dependencies\..*)\]/,/^\[(dev-|build-|features|lints|lib|package|\[)/ s/^([a-z0-9_-]+)(\.workspace| *= *\{ *workspace).*/\1/p' \
            "$repository/crates/$crate/Cargo.toml"
        sed -nE 's/^([a-z0-9_-]+)(\.workspace| *= *\{ *workspace) *=? *true.*/\1/p' "$repository/crates/$crate/Cargo.toml"
    done | sort -u)
    awk -v names="$names" '
        BEGIN { split(names, list, "\n"); for (i in list) wanted[list[i]] = 1 }
        /^\[/ { section = $0 }
        section == "[workspace]" && /^(resolver|members|\[workspace\])/ { print; next }
        section ~ /^\[workspace\.(package|lints\..*)\]$/ { print; next }
        section == "[workspace.dependencies]" {
            if ($0 == section) { print; next }
            name = $1; sub(/[ =].*/, "", name)
            if (name in wanted) print
        }' "$repository/Cargo.toml"
}

# Every file that the guests for one machine ($1: openvm or sp1) are built from, relative to the repository, sorted.
source_files() {
    (cd "$repository" && {
        for crate in "${shared_crates[@]}"; do
            find "crates/$crate" -type f \( -path '*/src/*' -o -name Cargo.toml -o -name build.rs \) \
                -not -name 'tests.rs' -not -path '*/src/tests/*'
        done
        find "${beside[@]/#/programs/}" "programs/$1" -type f \( -path '*/src/*' -o -name Cargo.toml -o -name Cargo.lock -o -name '*.json' \) \
            -not -path '*/target/*' -not -path '*/fixtures/*' -not -name 'tests*.rs' \
            -not -path 'programs/[a-z]*[a-z0-9]/Cargo.lock' -o -path "programs/$1/Cargo.lock"
        printf 'programs/%s.sh\n' build toolchain
    } | LC_ALL=C sort)
}

# One hash of all that, in hexadecimal.
source_hash() {
    (cd "$repository" && {
        reduced_manifest | sha256sum | sed 's/-$/Cargo.toml (reduced)/'
        source_files "$1" | tr '\n' '\0' | xargs -0 sha256sum
    } | sha256sum | cut -d' ' -f1)
}
