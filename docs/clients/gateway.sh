#!/bin/sh
# curl against the gateway of `cascade serve DIR --http 8000`: the Open Inference Protocol.
set -eu
url=${GATEWAY_URL:-http://127.0.0.1:8000}
model=$url/v2/models/fashion
ask() { curl --silent --show-error --fail-with-body --max-time 60 "$@" && echo; }

ask "$url/v2/health/ready"
ask "$model"

# One image of zeros. What `outputs` does not name is left out.
zeros=$(printf '0,%.0s' $(seq 783))0
ask "$model/infer" --json '{
  "id": "curl-1",
  "inputs": [{"name": "image", "shape": [1, 1, 28, 28], "datatype": "UINT8", "data": ['"$zeros"']}],
  "outputs": [{"name": "label"}, {"name": "model"}],
  "parameters": {"deadline_ms": 30000}
}'

# Three images as bytes, behind JSON that says so: the binary tensor extension.
body=$(mktemp)
trap 'rm -f "$body"' EXIT
header='{"id":"curl-3","inputs":[{"name":"image","shape":[3,1,28,28],"datatype":"UINT8","parameters":{"binary_data_size":2352}}],"outputs":[{"name":"label"}]}'
{ printf %s "$header"; head -c 2352 /dev/zero; } > "$body"
ask "$model/infer" -H 'Content-Type: application/octet-stream' -H "Inference-Header-Content-Length: ${#header}" --data-binary "@$body"
