# For tests that need a gateway: source it after expect.sh.
#
#   gateway_start FILE.yaml    starts one, with `listen`, `status` and `state` of its own; sets $gateway (its
#                              process), $at and $status (their URLs)
#   gateway_stop               ends it, and passes if it ended well
#   isolation_guests           sets $isolation, the YAML of three functions that look for each other's secrets:
#                              /search-cgi, /search-http and /search-handler

gateway_start() {
    local log=$work/gateway.out
    printf 'listen: 127.0.0.1:0\nstatus: 127.0.0.1:0\nstate: %s\n' "$work/state" | cat - "$1" \
        > "$work/gateway.yaml"
    mkdir -p "$work/state"
    : > "$log"
    "$FNVM" serve "$work/gateway.yaml" > "$log" 2> "$work/gateway.err" < /dev/null &
    gateway=$!
    for _ in $(seq 600); do
        at=$(sed -n 's/^listening on //p' "$log") status=$(sed -n 's/^status page on //p' "$log")
        at=${at%/} status=${status%/}
        if [ -n "$status" ] && curl -sf -o /dev/null "$status/_/health" &&
            curl -s -o /dev/null "$at/"; then return 0; fi
        kill -0 "$gateway" 2> /dev/null || break
        sleep 0.1
    done
    fail "the gateway starts" "$(cat "$log" "$work/gateway.err")"
    return 1
}

gateway_stop() {
    local status=0
    kill -TERM "$gateway" 2> /dev/null
    wait "$gateway" || status=$?
    if [ "$status" = 0 ]; then pass; return; fi
    fail "the gateway ends" "status $status: $(tail -20 "$work/gateway.err")"
}

isolation_guests() {
    local protocol
    isolation=
    for protocol in cgi http handler; do
        cat conformance/gateway_guests/isolation_{"$protocol",body}.wat > "$work/search-$protocol.wat"
        isolation+="  - {module: $work/search-$protocol.wat, name: search-$protocol, version: 1,
     protocol: $protocol, concurrency: 100, queue: 1000, ready: 2}
"
    done
}
