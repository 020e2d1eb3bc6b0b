#!/bin/sh
# The NATS command line: https://github.com/nats-io/natscli (go install github.com/nats-io/natscli/nats@v0.5.0).
set -eu
export NATS_URL="${NATS_URL:-nats://127.0.0.1:4222}"
subject=cascade.fashion

# A picture of 784 pixels, all alike.
image() { printf '['; printf "$1,%.0s" $(seq 783); printf '%s]' "$1"; }

echo 'request:'
nats request --raw --timeout 60s $subject.infer "{\"inputs\": {\"image\": $(image 0)}}"

echo 'a frame of three requests, an answer for each:'
nats request --raw --timeout 60s --replies 3 $subject.infer "[
  {\"id\": \"grey-0\", \"inputs\": {\"image\": $(image 0)}},
  {\"id\": \"grey-128\", \"inputs\": {\"image\": $(image 128)}},
  {\"id\": \"grey-255\", \"inputs\": {\"image\": $(image 255)}}
]"

echo 'the bytes of an image as they are, answered in JSON as Accept says:'
head -c 784 /dev/zero | nats request --raw --timeout 60s --force-stdin \
  -H 'Content-Type: application/octet-stream' -H 'Accept: application/json' $subject.infer

# Answers on results subjects are kept where the deployment has `durable`, so that nobody has to be there when they come. Others
# listen before they ask: nats subscribe cascade.fashion.results.cli
echo 'without a reply subject, to the results subject of a name:'
nats publish --quiet -H 'Cascade-Results: cli' $subject.infer "{\"id\": \"cli-1\", \"inputs\": {\"image\": $(image 0)}}"
nats subscribe --raw --stream cascade_fashion_answers --all --count 1 $subject.results.cli

echo 'stored first, answered later, whatever crashes meanwhile; the reply says where it is stored:'
nats request --raw --timeout 60s -H 'Cascade-Results: cli-stored' $subject.durable "{\"id\": \"cli-2\", \"inputs\": {\"image\": $(image 255)}}"
nats subscribe --raw --stream cascade_fashion_answers --all --count 1 $subject.results.cli-stored
