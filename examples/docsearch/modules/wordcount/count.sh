#!/bin/sh
# Counts the words of the documents each time the index has settled. POSIX shell, no compiler.
set -u
folder=${DOCSEARCH_FOLDER:-$KITE_CWD/../../docs}

count() {
  # No hidden folders; cat joins the files, so that wc sees one text however many there are.
  find "$folder" -name '.?*' -prune -o -type f -size -2049k \
    \( -name '*.md' -o -name '*.txt' -o -name '*.rst' -o -name '*.html' \) -print0 2>/dev/null |
    xargs -0 cat 2>/dev/null | LC_ALL=C wc -lw
}

publish() {
  # shellcheck disable=SC2046  # two numbers, meant to be two words
  set -- $(count)
  echo "lines=$1 words=$2"
  if command -v kite >/dev/null 2>&1; then
    kite pub docs.words "{\"lines\": $1, \"words\": $2}" >/dev/null
  fi
}

echo "counting the prose in $folder"
publish
command -v kite >/dev/null 2>&1 || { echo "no kite on the PATH: counted once"; exec sleep 2147483647; }

kite events docs.indexed --json | while read -r event; do
  case $event in
    *'"state":"idle"'* | *'"state": "idle"'*) publish ;;
  esac
done
