# CascadeServe for CUDA devices, linux/amd64: the CPU image, ONNX Runtime's CUDA provider, and NVIDIA's libraries. From the root of
# the repository, on a machine that reaches nuget.org:
#   docker build -f docker/Dockerfile -t cascadeserve .
#   docker build -f docker/cuda.Dockerfile -t cascadeserve-cuda .
#   docker run --gpus all ... cascadeserve-cuda
# Checked by linters only: the tests have no GPU.
ARG CPU_IMAGE=cascadeserve
# ONNX Runtime 1.30 needs CUDA 12 and cuDNN 9.
ARG CUDA_BASE=nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04

FROM ${CPU_IMAGE} AS cpu
# Needed for writing here; the final image uses the user of the last stage.
# hadolint ignore=DL3002
USER 0:0
WORKDIR /app/node_modules/onnxruntime-node
# The provider is not in the npm package. TensorRT's provider, which comes with it, needs further libraries that are not here.
RUN ONNXRUNTIME_NODE_INSTALL=cuda12 node script/install.js \
 && test -s bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so \
 && rm bin/napi-v6/linux/x64/libonnxruntime_providers_tensorrt.so

FROM ${CUDA_BASE}
WORKDIR /app
COPY --from=cpu /usr/local/bin/node /usr/local/bin/node
COPY --from=cpu /app ./
ENV NODE_ENV=production HOME=/tmp \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001:10001
ENTRYPOINT ["node", "/app/dist/actors/main.js"]
CMD ["--help"]
