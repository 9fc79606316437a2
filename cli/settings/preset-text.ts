/** A preset after `extends` as one YAML text, in which each line says where it comes from. */
import { Document, isMap, isScalar, isSeq, type Node, type Scalar } from 'yaml';
import { DEFAULT_BODY_LIMIT, DEFAULT_BODY_QUOTA, DEFAULT_STREAM_LIMIT } from './job-settings.ts';
import type { Preset, Sourced } from './preset.ts';

export function presetText(preset: Preset): string {
  const { record, lists, plugins } = preset;
  const or = <Value>(sourced: Sourced<Value> | undefined, value: Value): Sourced<Value> => sourced ?? { value, origin: 'default' };
  const recorded = { bodies: or(record.bodies, 'whole'), bodyLimit: or(record.bodyLimit, DEFAULT_BODY_LIMIT), streamLimit: or(record.streamLimit, DEFAULT_STREAM_LIMIT), bodyQuota: or(record.bodyQuota, DEFAULT_BODY_QUOTA) };
  const allowed = lists.filter((list) => list.allowed !== null);
  const denied = lists.filter((list) => list.denied.length > 0);

  const document = new Document({
    description: preset.description,
    record: Object.fromEntries(Object.entries(recorded).map(([key, { value }]) => [key, value])),
    ...(lists.length === 0 ? {} : { domains: lists.map((list) => ({ ...(list.allowed === null ? {} : { allowed: list.allowed }), ...(list.denied.length === 0 ? {} : { denied: list.denied }) })) }),
    plugins: plugins.map((plugin) => (Object.keys(plugin.options).length === 0 ? plugin.key : { [plugin.key]: plugin.options })),
  });
  document.commentBefore = ` ${preset.chain.join(', which extends ')}`;
  for (const [key, { origin }] of Object.entries(recorded)) comment(document.getIn(['record', key], true), origin);
  lists.forEach((list, index) => commentBefore(document.getIn(['domains', index], true), list.source));
  if (allowed.length > 1) commentBefore(document.get('domains', true), 'a host is to be allowed by every list that has `allowed`');
  else if (denied.length > 1) commentBefore(document.get('domains', true), 'the deny lists unite');
  plugins.forEach((plugin, index) => {
    const node = document.getIn(['plugins', index], true);
    const origin = `${plugin.origin} (${plugin.place.file}:${plugin.place.line})`;
    if (isScalar(node)) comment(node, origin);
    else commentBefore(node, origin);
  });
  return document.toString({ lineWidth: 0 });
}

function comment(node: unknown, text: string): void {
  (node as Scalar).comment = ` ${text}`;
}

function commentBefore(node: unknown, text: string): void {
  if (isMap(node) || isSeq(node)) (node as Node).commentBefore = ` ${text}`;
}
