import type { fromJSON } from '@grpc/proto-loader';

/**
 * The gRPC service of the Open Inference Protocol with Triton's statistics and configuration, in protobuf.js's JSON format. Names,
 * numbers and types are those of KServe's `grpc_predict_v2.proto` and Triton's `grpc_service.proto`; messages that we neither read
 * nor write are left out.
 */

interface Field {
  readonly type: string;
  readonly id: number;
  readonly rule?: 'repeated';
}
interface MapField {
  readonly keyType: string;
  readonly type: string;
  readonly id: number;
}

const one = (type: string, id: number): Field => ({ type, id });
const many = (type: string, id: number): Field => ({ type, id, rule: 'repeated' });
const parameters: MapField = { keyType: 'string', type: 'InferParameter', id: 4 };
const named = { fields: { name: one('string', 1), version: one('string', 2) } };
const ready = { fields: { ready: one('bool', 1) } };
const empty = { fields: {} };

export const INFERENCE_PROTO: Parameters<typeof fromJSON>[0] = {
  nested: {
    inference: {
      nested: {
        GRPCInferenceService: {
          methods: {
            ...Object.fromEntries(
              [
                'ServerLive',
                'ServerReady',
                'ModelReady',
                'ServerMetadata',
                'ModelMetadata',
                'ModelInfer',
                'ModelStatistics',
                'ModelConfig',
              ].map((method) => [method, { requestType: `${method}Request`, responseType: `${method}Response`, comment: '' }]),
            ),
            ModelStreamInfer: {
              requestType: 'ModelInferRequest',
              responseType: 'ModelStreamInferResponse',
              requestStream: true,
              responseStream: true,
              comment: '',
            },
          },
        },
        ServerLiveRequest: empty,
        ServerLiveResponse: { fields: { live: one('bool', 1) } },
        ServerReadyRequest: empty,
        ServerReadyResponse: ready,
        ModelReadyRequest: named,
        ModelReadyResponse: ready,
        ServerMetadataRequest: empty,
        ServerMetadataResponse: {
          fields: { name: one('string', 1), version: one('string', 2), extensions: many('string', 3) },
        },
        ModelMetadataRequest: named,
        ModelMetadataResponse: {
          fields: {
            name: one('string', 1),
            versions: many('string', 2),
            platform: one('string', 3),
            inputs: many('TensorMetadata', 4),
            outputs: many('TensorMetadata', 5),
          },
          nested: {
            TensorMetadata: { fields: { name: one('string', 1), datatype: one('string', 2), shape: many('int64', 3) } },
          },
        },
        InferParameter: {
          oneofs: { parameter_choice: { oneof: ['bool_param', 'int64_param', 'string_param', 'double_param', 'uint64_param'] } },
          fields: {
            bool_param: one('bool', 1),
            int64_param: one('int64', 2),
            string_param: one('string', 3),
            double_param: one('double', 4),
            uint64_param: one('uint64', 5),
          },
        },
        InferTensorContents: {
          fields: {
            bool_contents: many('bool', 1),
            int_contents: many('int32', 2),
            int64_contents: many('int64', 3),
            uint_contents: many('uint32', 4),
            uint64_contents: many('uint64', 5),
            fp32_contents: many('float', 6),
            fp64_contents: many('double', 7),
            bytes_contents: many('bytes', 8),
          },
        },
        ModelInferRequest: {
          fields: {
            model_name: one('string', 1),
            model_version: one('string', 2),
            id: one('string', 3),
            parameters,
            inputs: many('InferInputTensor', 5),
            outputs: many('InferRequestedOutputTensor', 6),
            raw_input_contents: many('bytes', 7),
          },
          nested: {
            InferInputTensor: {
              fields: {
                name: one('string', 1),
                datatype: one('string', 2),
                shape: many('int64', 3),
                parameters,
                contents: one('InferTensorContents', 5),
              },
            },
            InferRequestedOutputTensor: { fields: { name: one('string', 1), parameters: { ...parameters, id: 2 } } },
          },
        },
        ModelInferResponse: {
          fields: {
            model_name: one('string', 1),
            model_version: one('string', 2),
            id: one('string', 3),
            parameters,
            outputs: many('InferOutputTensor', 5),
            raw_output_contents: many('bytes', 6),
          },
          nested: {
            InferOutputTensor: {
              fields: {
                name: one('string', 1),
                datatype: one('string', 2),
                shape: many('int64', 3),
                parameters,
                contents: one('InferTensorContents', 5),
              },
            },
          },
        },
        ModelStreamInferResponse: { fields: { error_message: one('string', 1), infer_response: one('ModelInferResponse', 2) } },
        ModelStatisticsRequest: named,
        ModelStatisticsResponse: { fields: { model_stats: many('ModelStatistics', 1) } },
        ModelStatistics: {
          fields: {
            name: one('string', 1),
            version: one('string', 2),
            last_inference: one('uint64', 3),
            inference_count: one('uint64', 4),
            execution_count: one('uint64', 5),
            inference_stats: one('InferStatistics', 6),
          },
        },
        InferStatistics: {
          fields: {
            success: one('StatisticDuration', 1),
            fail: one('StatisticDuration', 2),
            queue: one('StatisticDuration', 3),
            compute_input: one('StatisticDuration', 4),
            compute_infer: one('StatisticDuration', 5),
            compute_output: one('StatisticDuration', 6),
            cache_hit: one('StatisticDuration', 7),
            cache_miss: one('StatisticDuration', 8),
          },
        },
        StatisticDuration: { fields: { count: one('uint64', 1), ns: one('uint64', 2) } },
        ModelConfigRequest: named,
        ModelConfigResponse: { fields: { config: one('ModelConfig', 1) } },
        // Only the fields that Triton's load generator reads.
        ModelConfig: {
          fields: {
            name: one('string', 1),
            platform: one('string', 2),
            max_batch_size: one('int32', 4),
            input: many('ModelInput', 5),
            output: many('ModelOutput', 6),
          },
        },
        ModelInput: { fields: { name: one('string', 1), data_type: one('DataType', 2), dims: many('int64', 4) } },
        ModelOutput: { fields: { name: one('string', 1), data_type: one('DataType', 2), dims: many('int64', 3) } },
        DataType: {
          values: {
            TYPE_INVALID: 0,
            TYPE_BOOL: 1,
            TYPE_UINT8: 2,
            TYPE_UINT16: 3,
            TYPE_UINT32: 4,
            TYPE_UINT64: 5,
            TYPE_INT8: 6,
            TYPE_INT16: 7,
            TYPE_INT32: 8,
            TYPE_INT64: 9,
            TYPE_FP16: 10,
            TYPE_FP32: 11,
            TYPE_FP64: 12,
            TYPE_STRING: 13,
          },
        },
      },
    },
  },
};
