/** What a script prints under `== name`, by name. Where the guest has no bash, steps of `StepFolder` cannot run. */
export function sectionsOf(stdout: string): Map<string, string> {
  const parts = stdout.split(/^\n?== (.+)\n/m).slice(1);
  const found = new Map<string, string>();
  for (let at = 0; at + 1 < parts.length; at += 2) found.set(parts[at]!, parts[at + 1]!.replace(/\n\n$/, '\n').replace(/^\n$/, ''));
  return found;
}
