# Processes that a script starts and leaves running: sourced by scripts/quickstart and scripts/mesh, which set `home`.
#
# Each is known by a file with its number and the moment it started, which it writes itself before it becomes the program:
# so whatever runs is known, however the script that started it ended.
# shellcheck shell=bash

absolute() { case $1 in /*) echo "$1" ;; *) echo "$PWD/$1" ;; esac; }

# When a process started, in ticks since boot: with it a process number that was given away again is not ours.
started() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  # shellcheck disable=SC2086 # fields, split on purpose
  set -- ${stat##*) }
  [ "$1" != Z ] && echo "${20}"
}

running() { # NAME: prints its process number
  local pid since
  { read -r pid since <"$home/$1.pid"; } 2>/dev/null || return 1
  [ "$(started "$pid")" = "$since" ] && echo "$pid"
}

start() { # NAME PROGRAM ARGUMENTS...
  local name=$1
  shift
  # shellcheck disable=SC2016 # the other shell's
  nohup sh -c '
    since=$(stat=$(cat /proc/$$/stat); set -- ${stat##*) }; echo "${20}")
    echo "$$ $since" >"$0" && exec "$@"
  ' "$home/$name.pid" "$@" >>"$home/$name.log" 2>&1 </dev/null &
  # Known when this returns.
  local shell=$!
  while ! running "$name" >/dev/null && kill -0 "$shell" 2>/dev/null; do sleep 0.01; done
}

stop() { # SECONDS NAMES...: all at once; what does not end in time is killed
  local seconds=$1 name pid
  shift
  for name; do
    pid=$(running "$name") && kill "$pid" || true
  done
  local deadline=$((SECONDS + seconds))
  for name; do
    while running "$name" >/dev/null && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.1; done
    if pid=$(running "$name"); then
      echo "$name does not stop: it is killed" >&2
      kill -KILL "$pid" || true
      while running "$name" >/dev/null; do sleep 0.05; done
    fi
    rm -f "$home/$name.pid"
  done
}

listens() { # PORT [ADDRESS]
  (exec 3<>"/dev/tcp/${2:-127.0.0.1}/$1") 2>/dev/null
}

answers() { # PORT PATH: whether the admin endpoint there says 200
  (
    exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
    printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&3
    read -r -t 5 _ status _ <&3 && [ "$status" = 200 ]
  ) 2>/dev/null
}

show() { # DATA ARGUMENTS...: a command of the tool, and what it prints
  local data=$1
  shift
  printf '\n$ barid %s\n' "$*"
  "$bin" --data "$data" "$@" || echo "(it ended with exit code $?)"
}

# The audit counts what the history has read, and is behind until it has read all.
settled() { # DATA
  local balance nothing
  balance=$("$bin" --data "$1" audit --json 2>"$home/audit.log") || return 1
  for nothing in waiting inFlight behind; do
    case $balance in *"\"$nothing\":0"[,}]*) ;; *) return 1 ;; esac
  done
}

settle() { # DATA SECONDS
  local deadline=$((SECONDS + $2))
  until settled "$1"; do
    [ "$SECONDS" -lt "$deadline" ] || { echo "after $2 s something is still on its way:"; break; }
    sleep 0.2
  done
}

# A merge of two patients, as it came and as the registry got it: Arabic in 8859/6 became UTF-8.
show_merge() { # DATA
  local uid
  uid=$("$bin" --data "$1" messages --type 'ADT^A40' --state delivered --limit 1 --json 2>/dev/null | grep -o '"uid":"[^"]*"' | cut -d '"' -f 4) || true
  if [ -n "$uid" ]; then
    show "$1" show "$uid"
    show "$1" show "$uid" --transformed registry --tree
  fi
}
