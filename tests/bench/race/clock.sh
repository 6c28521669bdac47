#!/usr/bin/env bash
# When a guest was ready, by this host's clock, as seconds since 1970. The guest's clock is compared
# with the host's over one connection, twenty times there and back; the shortest trip tells most.
#
#   clock.sh SSH...    a command that logs in to the guest
set -euo pipefail

coproc guest { "$@" 'stat -c %.Y /run/cloud-init/result.json; while read -r _; do echo $EPOCHREALTIME; done'; }
read -r ready <&"${guest[0]}"
trips=()
for _ in {1..20}; do
  before=$EPOCHREALTIME
  echo >&"${guest[1]}"
  read -r there <&"${guest[0]}"
  trips+=("$before $there $EPOCHREALTIME")
done
printf '%s\n' "${trips[@]}" | awk -v ready="$ready" '
  NR == 1 || $3 - $1 < best { best = $3 - $1; ahead = $2 - ($1 + $3) / 2 }
  END { printf "%.3f\n", ready - ahead }'
