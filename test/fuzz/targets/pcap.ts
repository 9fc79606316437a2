import { PcapReader } from '../../../cli/packets/pcap-reader.ts';
import { enhancedPacket, interfaceDescription, packetData } from '../../../cli/packets/pcapng.ts';
import { blocksOf, frame, pcapHead, pcapPacket } from '../../cli/packets/capture-bytes.ts';
import type { FuzzTarget } from '../target.ts';

const packets = Array.from({ length: 5 }, (_, index) => pcapPacket([1_800_000_000_000_000_000n + BigInt(index), frame('x'.repeat(index * 11))]));

/** The reader of tcpdump's output; what it has read becomes blocks whose lengths agree. */
const target: FuzzTarget = {
  name: 'pcap',
  inputs: [Buffer.concat([pcapHead(), ...packets])],
  parse(input, random) {
    const blocks: Buffer[] = [];
    let block: Buffer = Buffer.alloc(0);
    const reader = new PcapReader({
      head: (head) => blocks.push(interfaceDescription('eth0', head)),
      packet: (head) => packetData((block = enhancedPacket(0, head))),
      complete: () => blocks.push(block),
    });
    const cut = Math.floor(random() * (input.length + 1));
    try {
      reader.push(input.subarray(0, cut));
      reader.push(input.subarray(cut));
    } catch (error) {
      if (!/^(a packet of \d+ bytes|it is no pcap file)/.test((error as Error).message)) throw error;
    }
    if (blocksOf(Buffer.concat(blocks)).length !== blocks.length) throw new Error('blocks are lost');
  },
};
export default target;
