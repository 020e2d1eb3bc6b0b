/**
 * Supported formats:
 * - `azure-llm`: Azure LLM inference traces 2023 and 2024 (Splitwise, DynamoLLM), one line per request with its TIMESTAMP;
 * - `azure-functions`: Azure Functions traces, 2019 (requests per function and minute; each minute becomes a constant rate) and 2021
 *   (one line per invocation with its end and duration; the request came at the difference);
 * - `timestamps`: time stamps, alone or as a column.
 */
export const TRACE_FORMATS = ['azure-llm', 'azure-functions', 'timestamps'] as const;
export type TraceFormat = (typeof TRACE_FORMATS)[number];
