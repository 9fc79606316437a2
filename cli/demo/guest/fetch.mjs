// Posts an order with Node's own fetch.
const response = await fetch(process.argv[2], {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ item: 'lantern', count: 2 }),
});
const order = await response.json();
if (response.status !== 201) throw new Error(`status ${response.status}`);
console.log(`${response.status}, order ${order.id} of ${order.count} × ${order.item}`);
