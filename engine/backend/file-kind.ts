const TO_ONNX = 'export the model to ONNX';

/**
 * Recognises files that cannot be used as they are: what the file really is, and what to do about it.
 * @param name of the file; its extension says what it should be.
 * @param head its first bytes.
 * @returns undefined if no problem was found.
 */
export function fileProblem(name: string, head: Uint8Array): string | undefined {
  const text = Buffer.from(head.subarray(0, 512)).toString('latin1');
  const ending = /\.([a-z0-9]+)$/i.exec(name)?.[1].toLowerCase() ?? '';
  if (head.length === 0) return 'is empty; copy it again';
  if (text.startsWith('version https://git-lfs')) return 'is a Git LFS pointer, not the file itself; run `git lfs pull`';
  if (/^\s*<(!doctype html|html|\?xml)/i.test(text)) return 'is a web page: a download that failed; download it again';
  if (text.startsWith('\x1f\x8b')) return 'is compressed with gzip; run `gunzip` on it';
  if (text.startsWith('PK\x03\x04') && ending !== 'npz') return zipped(text, ending);
  if (head[0] === 0x80 && head[1] >= 2 && head[1] <= 5) {
    return `is a Python pickle; ${TO_ONNX} (skl2onnx, torch.onnx), or save the array with numpy.save`;
  }
  if (text.startsWith('\0\0\0\0{"', 4)) {
    return `holds safetensors: weights without a graph; ${TO_ONNX} (\`optimum-cli export onnx\`)`;
  }
  if (text.startsWith('\x89HDF')) return `is an HDF5 file; ${TO_ONNX} (tf2onnx), or save the array with numpy.save`;
  if (text.startsWith('TFL3', 4)) return `is a TensorFlow Lite model; ${TO_ONNX} (tf2onnx)`;
  return undefined;
}

function zipped(text: string, ending: string): string {
  if (/^.{30}[^/]*\/?(data|.*\/data)\.pkl/s.test(text) || ['pt', 'pth', 'bin'].includes(ending)) {
    return `is a PyTorch checkpoint; ${TO_ONNX} (torch.onnx.export)`;
  }
  if (text.includes('[Content_Types].xml') || /^xls/.test(ending)) return 'is an Excel workbook; save it as CSV (UTF-8)';
  return ending === 'keras' ? `is a Keras model; ${TO_ONNX} (tf2onnx)` : 'is a zip archive; unzip it';
}

/** Endings of models and data of other tools, worth mentioning if nothing else is found. */
export const FOREIGN =
  /\.(pt|pth|bin|ckpt|safetensors|h5|hdf5|keras|pkl|pickle|joblib|tflite|zip|gz|tgz|tar|arrow|feather|xlsx?)$/i;
