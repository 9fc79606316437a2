/** When a client that says nothing is taken to wait for its server. */

/** Ports of protocols in which the server greets: FTP, SSH, telnet, SMTP, POP3, NNTP, IMAP, their forms over TLS, MySQL, VNC … */
const SERVER_FIRST: ReadonlySet<number> = new Set([21, 22, 23, 24, 25, 110, 119, 143, 220, 465, 563, 587, 873, 990, 992, 993, 995, 2121, 2222, 2525, 3306, 4190, 4222, 5900, 5901]);

/** A client that speaks first does so in the turn in which it is connected; a process on a busy machine may take this long to. */
const USUAL_GRACE = 300;
/** Where the server greets, waiting delays each connection and rarely tells anything. */
const SERVER_FIRST_GRACE = 20;

/** Whether a client on this port is expected to be silent. */
export function serverSpeaksFirst(port: number): boolean {
  return SERVER_FIRST.has(port);
}

/** Milliseconds of silence after which the upstream is dialled. What the client says later is looked at all the same. */
export function graceFor(port: number): number {
  return serverSpeaksFirst(port) ? SERVER_FIRST_GRACE : USUAL_GRACE;
}
