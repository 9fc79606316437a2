/** gRPC over HTTP/2 and gRPC-Web: the messages of both directions, and the status that ends them. */
import type { HttpFlow } from '../flows/http-flow.ts';
import type { RecordPart } from '../flows/record-part.ts';
import type { Headers } from '../headers.ts';
import type { GrpcMessage, RecordParts } from '../record-parts.ts';
import type { CaptureSettings } from '../recorder/body-capture.ts';
import { MessageLog } from '../recorder/message-log.ts';
import type { StreamFormat } from './format.ts';
import { GrpcMessages } from './grpc-messages.ts';
import { grpcFormat, grpcStatus, type GrpcFormat, type GrpcStatus } from './grpc-status.ts';
import { mediaTypeOf } from './media-type.ts';

class GrpcReading implements RecordPart {
  readonly #flow: HttpFlow;
  readonly #format: GrpcFormat;
  readonly #settings: CaptureSettings;
  readonly #log: MessageLog<GrpcMessage>;
  readonly #up: GrpcMessages;
  #down: GrpcMessages | null = null;

  constructor(flow: HttpFlow, format: GrpcFormat, settings: CaptureSettings) {
    this.#flow = flow;
    this.#format = format;
    this.#settings = settings;
    this.#log = new MessageLog(settings);
    this.#log.onDrain = () => {
      this.#up.release();
      this.#down?.release();
    };
    this.#up = new GrpcMessages('client', format, flow.request.headers, this.#log, settings, flow.started);
    flow.up.watch(this.#up);
  }

  /** The response may be something else: what a proxy on the way says, for instance. */
  respond(): void {
    const { headers } = this.#flow.response!;
    const format = grpcFormat(mediaTypeOf(headers));
    if (format === null) return;
    this.#down = new GrpcMessages('server', format, headers, this.#log, this.#settings, this.#flow.started);
    this.#flow.down.watch(this.#down);
  }

  finish(done: (parts: RecordParts) => void): void {
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
  onRequest(flow, settings) {
    const format = grpcFormat(mediaTypeOf(flow.request.headers));
    if (format !== null) flow.addPart(new GrpcReading(flow, format, settings));
  },
  onResponse(flow) {
    for (const part of flow.parts ?? []) if (part instanceof GrpcReading) part.respond();
  },
};

/** Service and method of a path, `/service/method`. */
function callOf(path: string): [service: string, method: string] {
  const query = path.indexOf('?');
  const call = path.slice(1, query === -1 ? undefined : query);
  const slash = call.lastIndexOf('/');
  return slash === -1 ? ['', call] : [call.slice(0, slash), call.slice(slash + 1)];
}
