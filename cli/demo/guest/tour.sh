# The job of the demo, in the guest: clients that know nothing of a proxy, each with its own way to trust CAs.
# Ends with 1 where one of them does not get what it came for.
set -eu
cd /tmp

told() { printf '  %-7s %-42s %s\n' "$1" "$2" "$3"; }

status=$(curl -sS -o orders.json -w '%{http_code}, HTTP/%{http_version}' https://api.demo.test/orders)
told curl 'GET https://api.demo.test/orders' "$status, $(grep -o '"id"' orders.json | wc -l) orders"

told node 'POST https://api.demo.test/orders' "$(/opt/node/bin/node /demo/fetch.mjs https://api.demo.test/orders)"

told python 'GET https://files.demo.test/prices.csv' "$(/usr/bin/python3 /demo/urllib_client.py https://files.demo.test/prices.csv)"

git clone -q https://git.demo.test/handbook.git
told git 'clone https://git.demo.test/handbook.git' "$(git -C handbook log -1 --format='%h "%s"')"

# A denied host answers as any server would, so that a client need not hang or guess.
answer=$(curl -sS -o refusal.json -w '%{http_code}, violation %header{x-mentu-violation}' -d 'user=42' https://tracker.demo.test/collect)
told curl 'POST https://tracker.demo.test/collect' "$answer"
case $answer in '403, violation vio_'*) ;; *) exit 1 ;; esac
