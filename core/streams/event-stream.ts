/** Server-sent events, the way in which model APIs answer. */
import { EventGrammar } from './event-grammar.ts';
import { EventsReading } from './events-reading.ts';
import type { StreamFormat } from './format.ts';

export const eventStream: StreamFormat = {
  onResponse(flow, mediaType, reading) {
    if (mediaType !== 'text/event-stream') return;
    new EventsReading('event-stream', flow, reading, (events) => {
      const grammar = new EventGrammar(events);
      // What is no event yet when the body ends is none.
      return { write: (chunk) => grammar.write(chunk), end: () => {} };
    });
  },
};
