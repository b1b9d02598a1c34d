# Read by the example scripts: a scratch folder, the program, and simulated venues on ports of their own.
# shellcheck shell=sh

project=$(cd "$(dirname "$0")/.." && pwd)
command -v executor >/dev/null || PATH="$project/.venv/bin:$PATH"
command -v executor >/dev/null || { echo 'There is no `executor` here: run `make demo` first, it sets everything up.' >&2; exit 1; }

folder=${1:-$(mktemp -d)}
mkdir -p "$folder"
cd "$folder"
EXECUTOR_JOURNAL="$folder/journal.sqlite"
export EXECUTOR_JOURNAL

# The profiles of the simulated venues, on PORT and the next one, so that scripts can run side by side.
port=${PORT:-18080}
mkdir -p venues
sed "s/:18080/:$port/" "$project/config/venues/osl-mock.toml" >venues/osl-mock.toml
sed "s/:18081/:$((port + 1))/" "$project/config/venues/hashkey-mock.toml" >venues/hashkey-mock.toml
EXECUTOR_VENUES_DIR="$folder/venues"
EXECUTOR_LOG_LEVEL=${EXECUTOR_LOG_LEVEL:-error}
export EXECUTOR_VENUES_DIR EXECUTOR_LOG_LEVEL

say() { printf '\n== %s\n' "$1"; }

# A person makes a key; the public half is enrolled. In real life each does so on a machine of their own.
enroll() { executor keys enroll "$1" "$(executor keys new "$1.key")" --name "$2" --who zhao-lei; }

# A paper of the case is named in the mandate by its hash.
hash_of() { sha256sum "$1" | cut -c 1-64; }

# The simulated venues on sockets, until the script ends; the words are options of `executor mock-venues`.
serve() {
    executor mock-venues --port "$port" --mandate mandate.toml "$@" >venues.txt &
    venues=$!
    trap 'kill $venues' EXIT
    until [ -s venues.txt ]; do sleep 0.2; done
}
