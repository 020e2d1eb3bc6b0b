"""pip install 'tritonclient[http]'; python triton.py, against the gateway of `cascade serve DIR --http 8000`"""

import os

import numpy as np
import tritonclient.http as http

client = http.InferenceServerClient(os.environ.get("GATEWAY", "127.0.0.1:8000"), network_timeout=60)
print("ready:", client.is_model_ready("fashion"))

# Each sample of the batch is a request of its own, and may be answered by another model.
images = np.stack([np.full((1, 28, 28), grey, np.uint8) for grey in (0, 128, 255)])
image = http.InferInput("image", images.shape, "UINT8")
image.set_data_from_numpy(images)
outputs = [http.InferRequestedOutput(name) for name in ("label", "model")]
result = client.infer("fashion", [image], outputs=outputs, request_id="triton-1", timeout=30_000_000)
for label, model in zip(result.as_numpy("label"), result.as_numpy("model")):
    print(f"infer: label {label} by {model.decode()}")
