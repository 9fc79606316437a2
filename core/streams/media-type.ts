import type { Headers } from '../headers.ts';

/** The media type alone, in lower case (RFC 9110, section 8.3.1); empty where there is none. */
export function mediaTypeOf(headers: Headers): string {
  const value = headers.get('content-type');
  if (value === undefined) return '';
  const parametersAt = value.indexOf(';');
  return (parametersAt < 0 ? value : value.slice(0, parametersAt)).trim().toLowerCase();
}
