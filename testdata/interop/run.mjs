// Runs ONNX models in ONNX Runtime, as the jobs file on the command line lists
// them: [{model, inputs: {name: {shape, file}}, outputs: {name: file}}]. Files
// hold little-endian float32s. What it prints is the outputs' shapes, a line of
// JSON a job.
import { readFile, writeFile } from "node:fs/promises";
import ort from "onnxruntime-node";

const floats = (bytes) => new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));

let session, of;
for (const job of JSON.parse(await readFile(process.argv[2], "utf8"))) {
  if (of !== job.model) {
    session = await ort.InferenceSession.create(job.model, { intraOpNumThreads: 1 });
    of = job.model;
  }
  const feeds = {};
  for (const [name, { shape, file }] of Object.entries(job.inputs)) {
    feeds[name] = new ort.Tensor("float32", floats(await readFile(file)), shape);
  }
  const results = await session.run(feeds, Object.keys(job.outputs));
  const shapes = {};
  for (const [name, file] of Object.entries(job.outputs)) {
    const { data, dims } = results[name];
    await writeFile(file, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    shapes[name] = dims;
  }
  console.log(JSON.stringify(shapes));
}
