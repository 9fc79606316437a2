// Node's own fetch, as a program of the guest: node fetch.mjs URL
const response = await fetch(process.argv[2]);
process.stdout.write(await response.text());
