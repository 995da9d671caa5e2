from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE IF NOT EXISTS "job" (
    "id" UUID NOT NULL PRIMARY KEY,
    "owner" VARCHAR(64) NOT NULL,
    "kind" VARCHAR(100) NOT NULL,
    "queue" VARCHAR(64) NOT NULL,
    "state" VARCHAR(16) NOT NULL,
    "reason" VARCHAR(64),
    "params" JSONB NOT NULL,
    "result" JSONB,
    "error" JSONB,
    "progress" JSONB,
    "priority" SMALLINT NOT NULL DEFAULT 5,
    "tries" SMALLINT NOT NULL,
    "failures" SMALLINT NOT NULL DEFAULT 0,
    "losses" SMALLINT NOT NULL DEFAULT 0,
    "attempt" INT NOT NULL DEFAULT 0,
    "dispatch" INT NOT NULL DEFAULT 0,
    "seq" INT NOT NULL DEFAULT 0,
    "worker" VARCHAR(128),
    "created_at" TIMESTAMPTZ NOT NULL,
    "queued_at" TIMESTAMPTZ,
    "due_at" TIMESTAMPTZ,
    "started_at" TIMESTAMPTZ,
    "finished_at" TIMESTAMPTZ,
    "cancel_requested_at" TIMESTAMPTZ
);
CREATE INDEX IF NOT EXISTS "job_owner" ON "job" ("owner", "id");
CREATE INDEX IF NOT EXISTS "job_waiting" ON "job" ("state", "queued_at");
CREATE INDEX IF NOT EXISTS "job_due" ON "job" ("state", "due_at");
COMMENT ON COLUMN "job"."state" IS 'BLOCKED: blocked\nSCHEDULED: scheduled\nQUEUED: queued\nRUNNING: running\nSUCCEEDED: succeeded\nFAILED: failed\nCANCELLED: cancelled';
COMMENT ON TABLE "job" IS 'One job, as it stands.';
CREATE TABLE IF NOT EXISTS "attempt" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "number" INT NOT NULL,
    "worker" VARCHAR(128) NOT NULL,
    "started_at" TIMESTAMPTZ NOT NULL,
    "finished_at" TIMESTAMPTZ,
    "outcome" VARCHAR(16),
    "error" JSONB,
    "traceback" TEXT,
    "peak_memory_bytes" BIGINT,
    "cpu_s" DOUBLE PRECISION,
    "job_id" UUID NOT NULL REFERENCES "job" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_attempt_job_id_47aee1" UNIQUE ("job_id", "number")
);
COMMENT ON TABLE "attempt" IS 'One attempt of a job.';
CREATE TABLE IF NOT EXISTS "job_event" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "seq" INT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "state" VARCHAR(16) NOT NULL,
    "reason" VARCHAR(64),
    "attempt" INT NOT NULL,
    "due_at" TIMESTAMPTZ,
    "error" JSONB,
    "job_id" UUID NOT NULL REFERENCES "job" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_job_event_job_id_3ca21e" UNIQUE ("job_id", "seq")
);
COMMENT ON COLUMN "job_event"."state" IS 'BLOCKED: blocked\nSCHEDULED: scheduled\nQUEUED: queued\nRUNNING: running\nSUCCEEDED: succeeded\nFAILED: failed\nCANCELLED: cancelled';
COMMENT ON TABLE "job_event" IS 'One change of a job''s state; `seq` counts from 1 without a gap.';
CREATE TABLE IF NOT EXISTS "worker" (
    "id" VARCHAR(128) NOT NULL PRIMARY KEY,
    "host" VARCHAR(255) NOT NULL,
    "pid" INT NOT NULL,
    "queues" JSONB NOT NULL,
    "concurrency" INT NOT NULL,
    "started_at" TIMESTAMPTZ NOT NULL,
    "heartbeat_at" TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE "worker" IS 'One live worker process; a worker that stops in order deletes its row.';
CREATE TABLE IF NOT EXISTS "file" (
    "id" UUID NOT NULL PRIMARY KEY,
    "owner" VARCHAR(64) NOT NULL,
    "name" VARCHAR(255) NOT NULL,
    "media_type" VARCHAR(100) NOT NULL,
    "size_bytes" BIGINT NOT NULL,
    "sha256" VARCHAR(64) NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "job_id" UUID REFERENCES "job" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_file_job_id_544d30" UNIQUE ("job_id", "name")
);
CREATE INDEX IF NOT EXISTS "file_content" ON "file" ("sha256");
COMMENT ON TABLE "file" IS 'A name and an owner for some stored content; uploaded, or published by a job.';
CREATE TABLE IF NOT EXISTS "api_key" (
    "id" UUID NOT NULL PRIMARY KEY,
    "owner" VARCHAR(64) NOT NULL,
    "name" VARCHAR(100) NOT NULL,
    "kind" VARCHAR(16) NOT NULL,
    "digest" VARCHAR(64) NOT NULL UNIQUE,
    "created_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ
);
COMMENT ON COLUMN "api_key"."kind" IS 'KEY: key\nLINK: link\nSESSION: session';
COMMENT ON TABLE "api_key" IS 'One secret: its digest, and whose it is.';
CREATE TABLE IF NOT EXISTS "aerich" (
    "id" SERIAL NOT NULL PRIMARY KEY,
    "version" VARCHAR(255) NOT NULL,
    "app" VARCHAR(100) NOT NULL,
    "content" JSONB NOT NULL
);"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        """


MODELS_STATE = (
    "eJztXW1z2zYS/isYfbncjC/jyLbsczqdkWU6Ua3IPUtue206LERCEiqKYEgwsi7n/14AlP"
    "gmkCb1YlMqPsSxFvuA4LMQgF0s4G816H7xvhpvm5SiqUPvkUFcs3YJvtVsOEXsF7nCEZM7"
    "TlTMBRQOrAARqAqlgUddaFAmHkLLQ0xkIs9wsUMxsbnynY3AAgDIEEDwJxm85VCTGAyL7V"
    "Gulm/jLz7SKRkhOkYu0/3ttxor5GW2Px0w0e+/s9+xbaJH5PFy/tGZ6EOMrOSbYvFeQq7T"
    "uSNkV3jUtumN0OWNGugGsfypHek7czomdgjAtnjxEbKRCyniT6Cuj0RzLGtB0ZKLoPWRSt"
    "DKGMZEQ+hbnD6ODhoQyWq63r3r6z2tr+u1FWqXiBiPC5FBbG4W1lRPEDDiTfjXv+v1k5Pz"
    "+vFJ4+Ls9Pz87OL4gumK9q4WnT8FjYnYCqoSnLU/tLt93iDCbB/0CS54EhhIYYASxojYX1"
    "hrxQKZ9EeA502wJDzPBktBZISoy76cFervTs9PL04apyH5oSSP8yW/EZ8z4k5kfLbG0JUT"
    "GiFShLJm7iOhU/ioW8ge0TH7+K5+kUPfT8371sfm/Rum9c9kx+0uiupBWZJjj0KX8aFDus"
    "rzNWOK4imSc51Epvg2F9C3y1/2kP0csvvtT1qv3/z0I69+6nlfLMFXs6/xkrqQzlPSN42U"
    "XcJKwM/t/kfAP4Jf77qaoJN4dOSKJ0Z6/V9rvE3Qp0S3yUyHZpyTpXgpSph5iG3sjdeycw"
    "q6BUMvZgZl5+3bmfjUIIERio6ZMchag2bFrJkaMxtFhsy0xWIjZiM9YCLXJZI56YfeXVfO"
    "bwhIf3OwQcH/gYW9InN9xVjOYZUzkfi6LNl886n5S5roVufuKv094BVcpVjnS3A0gMZklf"
    "k+esxYXiVAh9C380Yq7Zd+PuvhQNW5635YqqdNkWTdQXCiT9GUuHN9MKfscaW8Cyl8rZVu"
    "xezwku5GZA3D8XWJBW4sAjMMECJSpA85ZP9oz2Hw+u7hqqOBH++1VrvXXgxA4cwsCrmICT"
    "AVFNxrzU6KX+Zz6zIH+uGhfS3nN0KkCPZ9bL7luMNa9orx5CSYLeMjtnjTpycelhhOpK7x"
    "Ip6R6rnERXhk36K5oLfNmgFtQ7YSWURwfiCDKHqzn7RG0uj75cJZGMuJ9Sn2/iayUNBfW8"
    "1eq3mt1QTJfE6bQdfUE2zzElInKUmou1o0rU/TEmjDkeCGv4RYhAbMa1+RnRNaixcf5QXW"
    "+Nshrlw8tGaMoT1CYczsHx5g3YSi9+APD335AxjEZwyDoUum4B2YYdZvfMpUR9CRB+E2rC"
    "8vXMcqULG6Kk2e2bE6bqoV+jO5X2irKJ1kWVI+oqAiRnsQSRCDojyOoNn+dGXGTscG6foR"
    "hRcya+2qc9e61a4vwcAixgSZn+1e66N2/dDhMs8YI9O3uPQ/D9oDF7HG+Pzz/UO32+5+uA"
    "Sub9usPzDcQ6uladcC5xsGQibXu2m2RVVDiEU9rWa3pXWEyOC0WUyanqJeJ6jhIugxTqTW"
    "ln+HI8QhONZJfhunBfhtnGbyy4vSY2S4n1hwxokh1KwjmXVMtgYrP/NEKBXGrvLko4Ksz1"
    "h0J0FWFQBRARAVAJEHQCLmJeGPhFlygx/Fwx5M+QhAD2DK4xO26cmjGXI1SZAiFZb4Vote"
    "vEZmdpA1wXjneujRYR3bY60JiYmPEaH6snfWBIa9lPggxpRY7aEzEKyf+QRc4CEziCl/z/"
    "KPWUzyBZ7BNHPqLxW5yR4jtz8+Ph++qX039G2DdycgnsR/nH5fq9yAeZQToQl7WeGN7CWg"
    "yk5nZVySCXuvMuwu9Q+Q3HfHx0Uc6uPjbI+alyX5FYNdGYJDwAEyvP3uq8JTKjylwlNb+j"
    "I50IVTSWpBtr8dITZyuKs2ar20x82KePtLEB8hVKRjfd5VfOk1WHdcwovLDTQxjOJ+E+4x"
    "cTGdr3Lfm0LLys7hi+FedyPibIP5M9h8OKmfN8J9B/4hb8uh96nZ6azuO7AHydIg80kMQY"
    "e0lbMNNvnS03fLExrHvS6nx5Xg0SKeV57FCKU43Os92s0J3N6+LPYcSI1xCRrjEMXj/uan"
    "VYi9Fz85WrHV5QscHDVcBNc7OJpEqjTASmdiRHt2Ja2cAKpsmyrbWOVSHbJ1K3TCX1lZHf"
    "BXdt7IzsHOnO4ixqy35vpLXoWye9XsvpJOmJ36thLGkB3VXiBvbu+RBQWZq2bPuitrP5fg"
    "K8mGyV0gfhBxQ6JSJx8PkaYhtqQn/0uwdMOqKExSNUeRVY52mW76swhHZGecJsqP8pJOo8"
    "BGsbxTC39FIAABxyUG8rz3AC4ldAx5oilxPIBtwB7OZEGOLk9B9YBLZvI81e1U+3xea6mk"
    "zexwkDRpc830oNc9bburSFB24uaYeJI1STbXS/0qJ2OtyXf97KwA30wrk29RltrKlXXl7A"
    "3coufG94HcLYeJRYyqVDpChFB5TxtkI7DHG77rItuQJCRkduUUSnVp2b5RdaI9VaN6393B"
    "uJnHiBlrgCBdw9BprDJ15UxdwvPfpRcSc9skPkjSqcv2QLj/WMz/aAL+CABtk/0D4jwPGB"
    "IXeIRJmXvgIhMwS1Pmcr8HvmMRaCLziPkLwPEHlghigsE86wburdeee3M35yp9F1DyvNoY"
    "1s8azx1T4+Tpi1YJVtVZNXVWrWrD7a7PJ4j/S7C71D9AcnfiUU6RiWFAUwmWk6gD5Hon5w"
    "I9/D+0zmWqSdwh+T4vfI3qYt4t0dEjxAF28u2P1iozbJ3Vx174JRW4Laaau0NrrCcrdVlM"
    "NVnd07timImyveao8Cj3L1A5WJ+gefF9Ow+x0ZNeiu0yE4+QR4+EqzsbEw/x62Fwxg0yRY"
    "Fb3ntTTqhyQvdqWaOc0N06RtkX0jx/occ+XE5Tu9X+ewnYmP7Z7rS7t5fAwvbks93TevwP"
    "FlyycVhEANNjdCF7bP3GjWAiKNPdI8TBZU0oF6kaC+q9c5HQo4NZdWuYOYlUqblVs3JFNu"
    "iayMXGuCZxMxYl+T5GpPOci5Ft2C27BX+XP3+xYcJHthfwFbnLZUTRqTsGqfICqko7JvxL"
    "VYLhhfoBsrsTVyC23100MS8GUZl5JTPzXnUye/oLgnISzQ=="
)
