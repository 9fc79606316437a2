/**
 * Notes on each look-up of a name, also of one in DNS over HTTPS, what tells a tunnel from a name: how random its labels are, how
 * long, and how much is asked of its parent domain. It judges nothing.
 */
import { defineCapturePlugin } from '../../core/index.ts';
import { entropyOf } from './entropy.ts';
import { parentDomain } from './parent-domain.ts';
import { VolumeTable } from './volume.ts';

export default defineCapturePlugin({
  name: 'dns-signals',
  description: 'Annotates look-ups of names with what shows a tunnel: entropy and length of the labels, volume per parent domain.',
  options: {
    type: 'object',
    properties: {
      parents: { type: 'integer', minimum: 1, maximum: 1_000_000, default: 1000, description: 'Parent domains whose volume is counted at a time; the one that was asked for longest ago goes first.' },
    },
    additionalProperties: false,
  },
  setup({ options, hooks, annotate }) {
    const volumes = new VolumeTable(options.parents);
    hooks.onFlowComplete.annotate.tap('dns-signals', (flow) => {
      const { dns, bytes } = flow.record;
      if (!dns || dns.name === '') return;
      const parent = parentDomain(dns.name);
      const labels = dns.name.slice(0, -parent.length).replaceAll('.', '');
      const volume = volumes.add(parent, bytes.up + bytes.down);
      annotate(flow, { parent, entropy: entropyOf(labels), label_length: labels.length, ...volume });
    });
  },
});
