// Speaks to the service that the page comes from.

const tokenKey = "mcdrl-token";
const mostTries = 8;

export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const pause = (seconds) => new Promise((resume) => setTimeout(resume, seconds * 1000));

// Asks a person for the token, once for all requests that need it.
let asking = null;

function askToken() {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("token-dialog");
    dialog.addEventListener("close", () => {
      sessionStorage.setItem(tokenKey, document.getElementById("token").value);
      asking = null;
      resolve();
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

async function refusalOf(response) {
  const text = await response.text();
  try {
    return new Refusal(response.status, JSON.parse(text).detail);
  } catch {
    return new Refusal(response.status, `The service answered ${response.status}.`);
  }
}

async function ask(path, options = {}) {
  for (let tries = 1; ; tries++) {
    const token = sessionStorage.getItem(tokenKey);
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    let response;
    try {
      response = await fetch(path, { ...options, headers });
    } catch (problem) {
      if (problem.name === "AbortError") throw problem;
      throw new Refusal(0, "The service can't be reached. Is it still running?");
    }
    if (response.ok) return response;
    if (response.status === 401) await askToken();
    else if (response.status === 429 && tries < mostTries) await pause(Number(response.headers.get("Retry-After") ?? 1));
    else throw await refusalOf(response);
  }
}

const query = (values) => {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString();
};

export const model = async () => (await ask("model")).json();

export async function post(path, file, values, signal) {
  return ask(`${path}?${query(values)}`, { method: "POST", body: file, signal });
}

export const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
