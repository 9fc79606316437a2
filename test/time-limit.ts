/**
 * Loaded before every test file (`--import`): one that does not end fails, and says what keeps it. Node's own
 * `--test-timeout` bounds each test, and not what a file leaves open after its last.
 */
const LIMIT_MS = 480_000;

if (process.env['NODE_TEST_CONTEXT'] !== undefined) {
  setTimeout(() => {
    process.stderr.write(`${process.argv[1]} has not ended after ${LIMIT_MS / 1000} s; open: ${process.getActiveResourcesInfo().join(', ')}\n`);
    process.exit(1);
  }, LIMIT_MS).unref();
}
