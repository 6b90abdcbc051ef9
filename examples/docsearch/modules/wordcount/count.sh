#!/bin/sh
# Counts the words of the documents each time the index has settled. POSIX shell, no compiler.
set -u
folder=${DOCSEARCH_FOLDER:-$KITE_CWD/../../docs}

count() {
  # Nothing hidden. With /dev/null there is a total even for a single file; xargs may need several
  # turns, so there may be several totals. In plain C, wc does not see Chinese words.
  find "$folder" -name '.?*' -prune -o -type f -size -2049k \
    \( -name '*.md' -o -name '*.txt' -o -name '*.rst' -o -name '*.html' \) -print0 2>/dev/null |
    LC_ALL=C.UTF-8 xargs -0 wc -lw /dev/null 2>/dev/null |
    awk '$3 == "total" { lines += $1; words += $2 } END { print lines + 0, words + 0 }'
}

publish() {
  # shellcheck disable=SC2046  # two numbers, meant to be two words
  set -- $(count)
  # The event is for whoever has just begun to listen, the line for a person: once is enough.
  [ "$*" = "${told-}" ] || echo "lines=$1 words=$2"
  told=$*
  kite pub docs.words "{\"lines\": $1, \"words\": $2}" >/dev/null
}

echo "counting the prose in $folder"
if ! command -v kite >/dev/null 2>&1; then
  count
  echo "no kite on the PATH: counted once"
  exec sleep 2147483647
fi

# A line that is no JSON is the word that `kite events` listens from now on: time for a first count.
kite events docs.indexed --json 2>&1 | while read -r line; do
  case $line in
    '{'*'"idle"'*) publish ;;
    '{'*) ;;
    *) publish ;;
  esac
done
