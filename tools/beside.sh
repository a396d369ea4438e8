# Sourced, by bash with `set -e`: two things at once, on two cores. `beside COMMAND...` starts one, of which nothing is seen
# until `joined` waits for it. `step` says what begins, and when.
step() { printf '\n== %d:%02d %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"; }
other=
other_log=$(mktemp)
trap 'rm -f "$other_log"; [[ -z "$other" ]] || kill "$other" 2> /dev/null || true' EXIT
beside() { "$@" > "$other_log" 2>&1 & other=$!; }
joined() { # the number of lines of its output that are shown, if it did well: all
  local status=0
  wait "$other" || status=$?
  other=
  if ((status)); then cat "$other_log"; else tail -n "${1:-+1}" "$other_log"; fi
  return "$status"
}
