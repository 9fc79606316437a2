import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SecretNames } from '../../../plugins/redact/secret-names.ts';

const names = new SecretNames({ secret: [], keep: [] });
const secret = (name: string, value = 'x'): boolean => names.isSecret(name, () => value);

for (const name of [
  'password', 'Password', 'user[password]', 'user%5Bpassword%5D', 'newPassword2', 'db_passwd', 'passphrase', 'pwd', 'PIN',
  'secret', 'client_secret', 'clientSecret', 'SECRET_KEY_BASE', 'secretAccessKey', 'AWS_SECRET_ACCESS_KEY', 'aws_access_key_id_secret',
  'token', 'access_token', 'accessToken', 'accesstoken', 'id_token', 'refresh-token', 'X-Auth-Token', 'csrfToken', '_csrf_token',
  'api_key', 'apikey', 'apiKey', 'APIKey', 'x-api-key', 'private_key', 'privateKey', 'session_id', 'sessionid', 'PHPSESSID', 'JSESSIONID',
  'signature', 'X-Amz-Signature', 'sig', 'jwt', 'authorization', 'Proxy-Authorization', 'cookie', 'credentials', 'client_assertion', 'code_verifier', 'otp', 'SAMLResponse',
]) {
  test(`${name} is the name of a secret`, () => assert.ok(secret(name)));
}

for (const name of ['name', 'max_tokens', 'completion_tokens', 'tokenizer', 'token_type', 'keyboard', 'monkey', 'passenger', 'compass', 'laptop', 'author', 'encoding', 'page', 'shipping', 'design', 'accept', '', '%%%', '日本']) {
  test(`${name || 'an empty name'} is not`, () => assert.equal(secret(name, '12345678901234567890abcdef'), false));
}

test('where a name says little, the value decides', () => {
  for (const name of ['key', 'auth', 'code', 'sid', 'cacheKey']) {
    assert.equal(secret(name, 'main'), false);
    assert.equal(secret(name, 'a plain sentence with 3 numbers'), false);
    assert.equal(secret(name, '9f86d081884c7d659a2feaa0c55ad015'), true, name);
    assert.equal(secret(name, '4%2F0AX4XfWh9fK2bC7dE1mN'), true, name);
  }
});

test('names may be added, with stars, and kept', () => {
  const mine = new SecretNames({ secret: ['patient_*', 'favourite.colour'], keep: ['csrf_token', 'x-*-signature'] });
  const isSecret = (name: string): boolean => mine.isSecret(name, () => 'x');
  assert.ok(isSecret('patientName') && isSecret('patient_id') && isSecret('FAVOURITE_COLOUR'));
  assert.equal(isSecret('impatient_name'), false);
  assert.equal(isSecret('csrfToken'), false);
  assert.equal(isSecret('x-hub-signature'), false);
  assert.ok(isSecret('token'));
  assert.ok(mine.isKept('CSRF-Token') && !mine.isKept('token'));
});

test('names of thousands of kinds are judged alike, and very long ones are none', () => {
  for (let i = 0; i < 10_000; i += 1) assert.equal(secret(`field${'x'.repeat(i % 7)}_${i}a`), false);
  assert.ok(secret('password'));
  assert.equal(secret(`${'x'.repeat(200)}password`), false);
});
