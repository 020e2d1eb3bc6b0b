import { describe, expect, it } from 'vitest';
import { inferenceError, shortened, UnfitSample } from '../../../../engine/backend/runtime-error.ts';

const GATHER =
  "Non-zero status code returned while running Gather node. Name:'' Status Message: indices element out of data bounds, idx=7 must be within the inclusive range [-3,2]";
const BROADCAST =
  "Non-zero status code returned while running Add node. Name:'/pos/Add' Status Message: /onnxruntime_src/onnxruntime/core/providers/cpu/math/element_wise_ops.h:560 void onnxruntime::BroadcastIterator::Append(ptrdiff_t, ptrdiff_t) axis == 1 || axis == largest was false. Attempting to broadcast an axis by a dimension other than 1. 512 by 600\n";
const MEMORY =
  "Non-zero status code returned while running MatMul node. Name:'' Status Message: /onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool) Failed to allocate memory for requested buffer of size 4294967296";

describe('inferenceError', () => {
  it('blames a sample that fails alone, in the words of the runtime', () => {
    const [gather, broadcast] = [GATHER, BROADCAST].map((message) => inferenceError(message, true));
    for (const error of [gather, broadcast]) expect(error).toBeInstanceOf(UnfitSample);
    expect(gather.message).toBe(
      'cannot take this sample: Gather: indices element out of data bounds, idx=7 must be within the inclusive range [-3,2]',
    );
    expect(broadcast.message).toBe(
      'cannot take this sample: Add: Attempting to broadcast an axis by a dimension other than 1. 512 by 600',
    );
  });

  it.each([
    ['one of several', GATHER, false],
    ['what the device lacks', MEMORY, true],
    ['what the graphics card says', 'CUDA failure 700: an illegal memory access was encountered', true],
  ])('does not blame a sample for %s', (_, message, alone) => {
    expect(inferenceError(message, alone)).not.toBeInstanceOf(UnfitSample);
  });

  it('is short', () => {
    expect(inferenceError('x'.repeat(10_000), true).message.length).toBeLessThan(400);
  });
});

const MODEL = 'Load model from /tmp/my models/m.onnx failed:';
const SOURCE = '/onnxruntime_src/onnxruntime/core/graph';

describe('shortened', () => {
  it.each([
    [
      `${MODEL}${SOURCE}/model.cc:202 onnxruntime::Model::Model(onnx::ModelProto&&, const onnxruntime::PathString&, const onnxruntime::IOnnxRuntimeOpSchemaRegistryList*, const onnxruntime::logging::Logger&, const onnxruntime::ModelOptions&) Unsupported model IR version: 99, max supported IR version: 13\n`,
      'Unsupported model IR version: 99, max supported IR version: 13',
    ],
    [
      `${MODEL}${SOURCE}/model_load_utils.h:46 void onnxruntime::model_load_utils::ValidateOpsetForDomain(const std::unordered_map<std::__cxx11::basic_string<char>, int>&, const onnxruntime::logging::Logger&, bool, const std::string&, int) ONNX Runtime only *guarantees* support for models (of released versions).`,
      'ONNX Runtime only *guarantees* support for models (of released versions).',
    ],
    [
      `${SOURCE}/graph.cc:9 bool onnxruntime::Graph::Find(std::function<void(int)>) const [with T = float; U = int] No (such) node`,
      'No (such) node',
    ],
    [MEMORY, 'MatMul: Failed to allocate memory for requested buffer of size 4294967296'],
    [`${MODEL}Protobuf parsing failed.`, 'Protobuf parsing failed.'],
    [`${SOURCE}/graph.cc:9 std::move (as is) failed`, 'std::move (as is) failed'],
  ])('keeps what the runtime says: %#', (message, words) => expect(shortened(message)).toBe(words));
});
