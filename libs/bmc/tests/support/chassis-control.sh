#!/bin/sh
# A chassis of files, for ipmi_sim:
#   chassis-control.sh STATE ADDRESS get NAME...
#   chassis-control.sh STATE ADDRESS set NAME VALUE [NAME VALUE]...
# STATE/calls is what was asked. STATE/ignores-boot and STATE/ignores-shutdown make it accept and do
# nothing.
state=$1
shift 2
echo "$*" >>"$state/calls"
verb=$1
shift
if [ "$verb" = get ]; then
  for name; do echo "$name:$(cat "$state/$name" 2>/dev/null || echo 0)"; done
  exit 0
fi
while [ $# -gt 1 ]; do
  if [ "$1" = shutdown ]; then
    [ -e "$state/ignores-shutdown" ] || echo 0 >"$state/power"
  elif [ "$1" != boot ] || [ ! -e "$state/ignores-boot" ]; then
    echo "$2" >"$state/$1"
  fi
  shift 2
done
