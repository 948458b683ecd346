/*
 * Unpacks what player.py has packed: arrays rounded to bytes, as differences from step to step, deflated.
 *
 * What is drawn for all steps at once is unpacked when the player is mounted. What belongs to a single step comes in
 * chunks of some steps; a chunk is unpacked when it is looked at, its neighbours beforehand, and the least recent one
 * is forgotten: a trace of any length takes a few megabytes.
 */

const CHUNKS_KEPT = 6;

/** Bytes from base64 (in a page) or from a widget's buffer. */
function bytesOf(packed) {
  if (typeof packed !== "string") return new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength);
  return Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
}

async function inflate(packed) {
  const stream = new Blob([bytesOf(packed)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Cut unpacked bytes into arrays and add up the differences. `frames(header)` is how many steps there are of each. */
function arraysOf(bytes, headers, frames) {
  const arrays = {};
  let start = 0;
  for (const [name, header] of Object.entries(headers)) {
    const size = header.shape.reduce((product, axis) => product * axis, header.kind === "number" ? 3 : 1);
    const part = bytes.subarray(start, (start += frames(header) * size));
    for (let at = size; at < part.length; at++) part[at] += part[at - size]; // wraps at 256, as in Python
    arrays[name] = { ...header, bytes: part, size, zero: header.kind === "signed" ? 128 : 0, value: valueOf(part, header) };
  }
  return arrays;
}

function valueOf(bytes, { kind, limit }) {
  if (kind === "unit") return (i) => bytes[i] / 255;
  if (kind === "signed") return (i) => ((bytes[i] - 128) / 127) * limit;
  const word = new DataView(new ArrayBuffer(4)); // the first three bytes of a float
  return (i) => {
    for (let part = 0; part < 3; part++) word.setUint8(part, bytes[3 * i + part]);
    return word.getFloat32(0);
  };
}

/**
 * Open the packed arrays of a trace. `open(step)` resolves when whole pictures and that step can be drawn.
 * Then `store.whole[name]` are arrays, and `store.at(step)` gives the arrays of a step, each with `base`, the place
 * of the step's first value; it is null while the step's chunk is being unpacked.
 */
function openTrace(data) {
  const unpacked = new Map(); // number of a chunk -> its arrays; the most recently used last
  const waiting = new Map(); // number of a chunk -> promise
  const total = Object.keys(data.detail).length ? Math.ceil(data.steps / data.every) : 0;
  const store = { whole: null };

  const chunkOf = (step) => Math.floor(Math.floor(step / data.every) / data.chunk_frames);
  function load(chunk) {
    if (chunk < 0 || chunk >= data.chunks.length || unpacked.has(chunk)) return Promise.resolve();
    if (!waiting.has(chunk)) {
      const frames = Math.min(data.chunk_frames, total - chunk * data.chunk_frames);
      waiting.set(chunk, inflate(data.chunks[chunk]).then((bytes) => {
        unpacked.set(chunk, arraysOf(bytes, data.detail, () => frames));
        waiting.delete(chunk);
        for (const oldest of unpacked.keys()) if (unpacked.size > CHUNKS_KEPT) unpacked.delete(oldest);
      }));
    }
    return waiting.get(chunk);
  }

  store.open = async (step) => {
    if (!store.whole) {
      const [bytes] = await Promise.all([inflate(data.whole_bytes), load(chunkOf(step))]);
      const whole = arraysOf(bytes, data.whole, (header) => header.frames);
      store.whole = data.chunks.length === 1 && data.every === 1 ? { ...unpacked.get(0), ...whole } : whole;
    } else await load(chunkOf(step));
  };
  store.ahead = (step) => { for (const side of [1, -1]) load(chunkOf(step) + side); };
  store.at = (step) => {
    if (!total) return {};
    const chunk = chunkOf(step);
    const arrays = unpacked.get(chunk);
    if (!arrays) return null;
    unpacked.delete(chunk);
    unpacked.set(chunk, arrays);
    const frame = Math.floor(step / data.every) - chunk * data.chunk_frames;
    return { arrays, frame };
  };
  return store;
}
