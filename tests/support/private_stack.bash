# What `./dev run` starts and stops: a private PostgreSQL with the sample shop, and pgweir before it. Sourced by dev, whose
# fail() it uses; the working directory is the repository.
# shellcheck shell=bash

started=() # pids, in the order of their start
scratch=
postgres_port=
as_postgres=() # what runs a command as the owner that PostgreSQL shall have; as root somebody without rights, as it refuses root

# Ends what this script started, last first, and removes the folder. SIGINT is the fast stop of PostgreSQL and of pgweir.
stop_everything() {
    local index pid tries
    trap '' INT TERM HUP
    for ((index = ${#started[@]} - 1; index >= 0; index--)); do
        pid=${started[index]}
        kill -INT "$pid" 2>/dev/null || continue
        for ((tries = 0; tries < 100; tries++)); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$pid" 2>/dev/null || true
    done
    [[ -z $scratch ]] || rm -rf "$scratch"
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
    local port
    for ((port = 54320; port < 54420; port++)); do
        if port_is_free "$port"; then
            printf '%s' "$port"
            return
        fi
    done
    fail "no free port from 54320 to 54419 for PostgreSQL"
}

postgres_program() {
    local found
    found=$(printf '%s\n' /usr/lib/postgresql/*/bin/"$1" | sort -V | tail -n 1)
    [[ -x $found ]] || found=$(command -v "$1") || fail "PostgreSQL's $1 was not found"
    printf '%s' "$found"
}

# start_postgres DATA: a private server on a free port of 127.0.0.1 and on a socket that only its owner (and root) can
# reach. Over TCP only the roles of the sample are let in, without a password.
start_postgres() {
    local data=$1 initdb postgres owner deadline
    initdb=$(postgres_program initdb)
    postgres=$(postgres_program postgres)
    mkdir -p "$data"
    if [[ $EUID -eq 0 ]]; then
        owner=nobody
        ! id postgres >/dev/null 2>&1 || owner=postgres
        [[ ! -e $data/PG_VERSION ]] || owner=$(stat -c %U "$data") # an older run's, or the user's own
        chown "$owner" "$data" "$scratch/socket"
        as_postgres=(setpriv --reuid "$owner" --regid "$(id -g "$owner")" --clear-groups --)
    fi
    if [[ ! -e $data/PG_VERSION ]]; then
        "${as_postgres[@]}" "$initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$scratch/initdb.log" 2>&1 || {
            cat "$scratch/initdb.log" >&2
            fail "initdb failed in $data"
        }
        "${as_postgres[@]}" tee "$data/pg_hba.conf" >/dev/null <<'HBA'
local all all                        trust
host  all shop,reporter 127.0.0.1/32 trust
HBA
    fi
    postgres_port=$(free_port)
    # A session of its own: Ctrl-C at the terminal must reach this script alone, which then stops in the right order.
    setsid "${as_postgres[@]}" "$postgres" -D "$data" -c port="$postgres_port" -c listen_addresses=127.0.0.1 \
        -c unix_socket_directories="$scratch/socket" </dev/null >"$scratch/postgres.log" 2>&1 &
    started+=($!)
    deadline=$((SECONDS + 60))
    until superuser postgres -c 'SELECT 1' >/dev/null 2>&1; do
        if [[ $SECONDS -ge $deadline ]] || ! kill -0 "${started[-1]}" 2>/dev/null; then
            cat "$scratch/postgres.log" >&2
            fail "the private PostgreSQL did not start"
        fi
        sleep 0.1
    done
    if [[ $(superuser postgres -Atc "SELECT count(*) FROM pg_database WHERE datname = 'shop'") == 0 ]]; then
        superuser postgres -c 'CREATE DATABASE shop' >/dev/null
        superuser shop -f tests/support/shop.sql >/dev/null
    fi
}

superuser() {
    local database=$1
    shift
    "${as_postgres[@]}" env -i PATH="$PATH" psql -X -q -v ON_ERROR_STOP=1 \
        -h "$scratch/socket" -p "$postgres_port" -U postgres -d "$database" "$@"
}

# Writes the configuration for database $1 and its user $2; $3 is how clients prove who they are. The DSN, which may hold a
# password and any quotes, goes through the environment.
write_configuration() {
    cat >"$scratch/pgweir.yaml" <<YAML
listen: {host: 127.0.0.1, port: $port}
http: {listen: "127.0.0.1:$http"}
admin: {users: ["$2"]}
auth: $3
pool: {mode: transaction, size: 5, overflow: 10}
databases:
  "$1": {upstream: "\${PGWEIR_RUN_UPSTREAM}"}
cache:
  memory: 64MiB
  rules:
    - {name: all-tables, databases: ["$1"], ttl: $ttl}
slow_log: {threshold: 100ms, file: "$scratch/slow.log"}
YAML
}

# The three commands that show what pgweir is for.
commands_to_try() {
    local question='SELECT name, price FROM products WHERE id = 7'
    if [[ -n $postgres_port ]]; then
        printf '  psql "%s" -c "%s" -c "%s"   # the second comes from memory\n' "$dsn" "$question" "$question"
        printf '  psql "%s" -c "UPDATE products SET price = price + 1 WHERE id = 7" -c "%s"   # and is never stale\n' "$dsn" "$question"
    else
        printf '  psql "%s"   # reads are kept for %s; writes that go around pgweir show after that\n' "$dsn" "$ttl"
        printf '  psql "%s" -c "SHOW POOLS"\n' "$console"
    fi
    printf '  psql "%s" -c "SHOW CACHE"\n' "$console"
}

# run_private_stack BINARY [--upstream DSN] [--data DIR] [--port N] [--http N]
run_private_stack() {
    local binary=$1
    shift
    local upstream='' data='' port=6432 http=9632
    local database=shop user=shop password='' auth='{type: trust}' ttl=60s dsn console deadline
    while [[ $# -gt 0 ]]; do
        case $1 in
        --upstream | --data | --port | --http)
            [[ $# -ge 2 ]] || fail "$1 needs a value"
            printf -v "${1#--}" '%s' "$2"
            shift 2
            ;;
        *) fail "run: unknown argument '$1'" ;;
        esac
    done
    [[ $port =~ ^[0-9]+$ && $http =~ ^[0-9]+$ ]] || fail "run: a port is a number"
    port_is_free "$port" || fail "port $port is taken; choose another with --port"
    port_is_free "$http" || fail "port $http is taken; choose another with --http"

    scratch=$(mktemp -d "${TMPDIR:-/tmp}/pgweir-run.XXXXXX")
    chmod 711 "$scratch"
    mkdir -m 700 "$scratch/socket"
    trap stop_everything EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    if [[ -n $upstream ]]; then
        IFS='|' read -r database user < <(psql -X -At -d "$upstream" -c "SELECT current_database() || '|' || current_user") ||
            fail "no answer from PostgreSQL at the DSN of --upstream"
        # Somebody else's data: whoever can reach this port shall not read it without the password that we print.
        password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
        (umask 077 && printf '"%s" "%s"\n' "$user" "$password" >"$scratch/users.txt")
        auth="{type: scram-sha-256, users_file: \"$scratch/users.txt\"}"
        password=:$password
        ttl=10s
    else
        start_postgres "${data:-$scratch/data}"
        upstream="host=127.0.0.1 port=$postgres_port dbname=shop"
    fi
    export PGWEIR_RUN_UPSTREAM=$upstream
    write_configuration "$database" "$user" "$auth"
    "$binary" --check --config "$scratch/pgweir.yaml" || fail "the configuration that this script wrote is refused"
    setsid "$binary" --config "$scratch/pgweir.yaml" </dev/null &
    started+=($!)
    dsn="postgresql://$user$password@127.0.0.1:$port/$database"
    console="postgresql://$user$password@127.0.0.1:$port/pgweir"
    deadline=$((SECONDS + 30))
    until psql -X -At -d "$dsn" -c 'SELECT 1' >/dev/null 2>"$scratch/psql.log"; do
        if [[ $SECONDS -ge $deadline ]] || ! kill -0 "${started[-1]}" 2>/dev/null; then
            cat "$scratch/psql.log" >&2
            fail "pgweir did not answer on port $port"
        fi
        sleep 0.1
    done
    cat <<READY

pgweir is ready; Ctrl-C stops all that was started here.

  DSN        $dsn
  psql       psql "$dsn"
  console    psql "$console"
  dashboard  http://127.0.0.1:$http/
  metrics    http://127.0.0.1:$http/metrics
  slow log   $scratch/slow.log

Try, in another shell:
$(commands_to_try)
READY
    wait -n "${started[@]}" || true
    fail "one of the programs ended by itself; its last words are above"
}

