/** What a format of streamed bodies offers: it looks at the heads of a flow and adds what reads its bodies. */
import type { HttpFlow } from '../flows/http-flow.ts';
import type { MessageWatchHost } from '../flows/message-watch.ts';
import type { CaptureSettings } from '../recorder/body-capture.ts';

/** How what is read is kept, and who is told of it. */
export interface Reading {
  readonly settings: CaptureSettings;
  readonly host: MessageWatchHost;
}

/** Each is asked once per head, with its media type: in lower case, without parameters, empty where it has none. Who recognises its format gives a `RecordPart` to the flow and watchers to its tees. */
export interface StreamFormat {
  onRequest?(flow: HttpFlow, mediaType: string, reading: Reading): void;
  /** `flow.response` is there, and has a body. */
  onResponse?(flow: HttpFlow, mediaType: string, reading: Reading): void;
}
