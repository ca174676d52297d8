#!/bin/sh
# Prints what the server says of a text, a frame a line, up to the word that it is done:
# sh values.sh ws://127.0.0.1:8740/ws "Some text"          (needs websocat; the text may hold no quotes or backslashes)
url=$1 text=$2 done=$(mktemp -u)
mkfifo "$done"
request() { printf '{"jsonrpc":"2.0","id":"%s","method":"%s","params":%s}\n' "$1" "$1" "$2"; }
{
  request initialize '{"protocolVersion":1,"client":{"name":"example"}}'
  request neurons/subscribe '{"neurons":["L0N1","L1N2"]}'
  request document/open '{"uri":"a","version":1,"text":"'"$text"'"}'
  cat "$done" # the connection lasts as long as there may be more to send
} | websocat --text "$url" | {
  sed '/"activations\/done"/q'
  : > "$done"
}
rm "$done"
