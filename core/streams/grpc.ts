/** gRPC over HTTP/2 and gRPC-Web: the messages of both directions, and the status that ends them. */
import type { HttpFlow } from '../flows/http-flow.ts';
import type { RecordPart } from '../flows/record-part.ts';
import type { Headers } from '../headers.ts';
import type { GrpcMessage, RecordParts } from '../record-parts.ts';
import { MessageLog } from '../recorder/message-log.ts';
import type { Reading, StreamFormat } from './format.ts';
import { GrpcMessages } from './grpc-messages.ts';
import { grpcFormat, grpcStatus, type GrpcFormat, type GrpcStatus } from './grpc-status.ts';
import { mediaTypeOf } from './media-type.ts';

class GrpcReading implements RecordPart {
  readonly #flow: HttpFlow;
  readonly #format: GrpcFormat;
  readonly #reading: Reading;
  readonly #log: MessageLog<GrpcMessage>;
  readonly #up: GrpcMessages;
  #down: GrpcMessages | null = null;

  constructor(flow: HttpFlow, format: GrpcFormat, reading: Reading) {
    this.#flow = flow;
    this.#format = format;
    this.#reading = reading;
    this.#log = new MessageLog(reading.settings);
    this.#log.onDrain = () => {
      this.#up.release();
      this.#down?.release();
    };
    this.#up = new GrpcMessages('client', format, flow.request.headers, this.#log, flow, reading);
    // Where it is read for observers alone, they may have come too late for the request.
    if (flow.up.size === 0) flow.up.watch(this.#up);
  }

  /** The response may be something else: what a proxy on the way says, for instance. */
  respond(mediaType: string): void {
    const { headers } = this.#flow.response!;
    const format = grpcFormat(mediaType);
    if (format === null) return;
    this.#down = new GrpcMessages('server', format, headers, this.#log, this.#flow, this.#reading);
    this.#flow.down.watch(this.#down);
  }

  finish(done: (parts: RecordParts) => void): void {
    this.#up.close();
    this.#down?.close();
    const [service, method] = callOf(this.#flow.request.path);
    const { status, status_name, status_message } = this.#status ?? { status: null, status_name: null, status_message: null };
    const fault = this.#up.fault ?? this.#down?.fault ?? null;
    this.#log.finish((list) => done({ grpc: { ...list, format: this.#format, service, method, status, status_name, status_message, fault } }));
  }

  /** In the trailers; in the head where it is all there is; in a frame of gRPC-Web. */
  get #status(): GrpcStatus | null {
    const { down, response } = this.#flow;
    const inFields = (headers: Headers | null | undefined): GrpcStatus | null => (headers ? grpcStatus((name) => headers.get(name)) : null);
    return inFields(down.trailers) ?? this.#down?.status ?? inFields(response?.headers);
  }
}

export const grpc: StreamFormat = {
  onRequest: begin,
  onResponse(flow, mediaType, reading) {
    const of = (): GrpcReading | undefined => flow.parts?.find((part) => part instanceof GrpcReading);
    if (!of()) begin(flow, mediaTypeOf(flow.request.headers), reading);
    of()?.respond(mediaType);
  },
};

function begin(flow: HttpFlow, mediaType: string, reading: Reading): void {
  const format = grpcFormat(mediaType);
  if (format !== null) flow.addPart(new GrpcReading(flow, format, reading));
}

/** Service and method of a path, `/service/method`. */
function callOf(path: string): [service: string, method: string] {
  const query = path.indexOf('?');
  const call = path.slice(1, query === -1 ? undefined : query);
  const slash = call.lastIndexOf('/');
  return slash === -1 ? ['', call] : [call.slice(0, slash), call.slice(slash + 1)];
}
