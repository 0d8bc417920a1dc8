import { parentPort } from 'node:worker_threads';
import { FrameReader } from './frame-reader.ts';
import { failureOf, type ReaderRequest } from './protocol.ts';

let reader: FrameReader | undefined;

function answer(request: ReaderRequest): { value: unknown; transfer: ArrayBuffer[] } {
  switch (request.kind) {
    case 'open':
      reader = new FrameReader(request);
      return { value: undefined, transfer: [] };
    case 'header':
      return { value: reader!.header(), transfer: [] };
    case 'chunk': {
      const chunk = reader!.chunk(request.after, request.upTo, request.maxBytes);
      return { value: chunk, transfer: [chunk.frames.buffer] };
    }
    case 'chunkBack': {
      const chunk = reader!.chunkBack(request.before, request.maxBytes);
      return { value: chunk, transfer: [chunk.frames.buffer] };
    }
    case 'stream': {
      const start = reader!.stream(request.head, request.from, request.to, request.maxBytes);
      return { value: start, transfer: [start.bytes.buffer, start.positions.buffer] };
    }
    case 'events': {
      const gathered = reader!.events(request.positions, request.maxBytes);
      return { value: gathered, transfer: [gathered.bytes.buffer] };
    }
    case 'close':
      reader?.close();
      reader = undefined;
      return { value: undefined, transfer: [] };
  }
}

parentPort!.on('message', (request: ReaderRequest) => {
  try {
    const { value, transfer } = answer(request);
    parentPort!.postMessage({ ok: value }, transfer);
  } catch (error) {
    parentPort!.postMessage({ failed: failureOf(error) }, []);
  }
});
