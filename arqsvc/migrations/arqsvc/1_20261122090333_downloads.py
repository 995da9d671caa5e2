from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE IF NOT EXISTS "download" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "accession" VARCHAR(40) NOT NULL,
    "format" VARCHAR(16) NOT NULL,
    "sha256" VARCHAR(64) NOT NULL,
    "size_bytes" BIGINT NOT NULL,
    "name" VARCHAR(255) NOT NULL,
    "records" INT NOT NULL,
    "length_bp" BIGINT NOT NULL,
    "provenance" JSONB NOT NULL,
    "retrieved_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "uid_download_accessi_1323a2" UNIQUE ("accession", "format")
);
COMMENT ON TABLE "download" IS 'One accession in one format, fetched once; written when its content has been verified and adopted.';
        CREATE TABLE IF NOT EXISTS "job_need" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "job_id" UUID NOT NULL REFERENCES "job" ("id") ON DELETE CASCADE,
    "needed_id" UUID NOT NULL REFERENCES "job" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_job_need_job_id_62e8d1" UNIQUE ("job_id", "needed_id")
);
CREATE INDEX IF NOT EXISTS "job_need_needed" ON "job_need" ("needed_id");
COMMENT ON TABLE "job_need" IS 'One job that another needs: it must succeed before the other begins.';
        ALTER TABLE "job" ADD "shared" VARCHAR(255);
        CREATE INDEX IF NOT EXISTS "job_sharing" ON "job" ("kind", "shared") WHERE state = 'running';"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP INDEX IF EXISTS "job_sharing";
        ALTER TABLE "job" DROP COLUMN "shared";
        DROP TABLE IF EXISTS "job_need";
        DROP TABLE IF EXISTS "download";"""


MODELS_STATE = (
    "eJztXVtz27gV/isYvSSdcTOOLF/qtJ2RZSbRWpG3ltxsd7PDhUhIYk0BDAladlP/9wIgxZ"
    "tAmtTFplQ8xJGAc0DyO4fAuQH60YDud+/eeNemFM0ceoMM4pqNc/CjgeEMsQ9yggPW7jhx"
    "N2+gcGQHHAGpIBp51IUGZc1jaHuINZnIM1zLoRbBnPgaIxAyADIGEPybjN5xVpMYjNfCk0"
    "IqH1vffaRTMkF0ilxG+9tvDdbJ+7A/G7Gm339nny1sogfk8X7+1bnTxxay009qiecS7Tp9"
    "dETbhTXpYvpR0PKbGukGsf0ZjumdRzolOGKwsHjwCcLIhRTxK1DXR+J2bDuEaIFFcPcxSX"
    "CXCR4TjaFvc/g4d3ADcVtD1/vXQ32gDXW9sQTtgiOBY9hkEMzFwm7VEwBM+C38+S/N5tHR"
    "afPw6OTsuHV6enx2eMZoxf0ud50+BTcToxUMJTDrfur2h/yGCJN9oBO84UnwQAoDLiGMGP"
    "1QWksSyIU/ZnheBAvAi2SwaIiFEKvsy0mh+b512jo7OmlF4EctRZgv8I3xnBP3ToZnZwpd"
    "OaAxRwZQdpu7COgMPug2whM6ZV/fN88K4Ptn+6bzuX3zllH9Ka24/bCrGfSlMfYodBkeOq"
    "TLOF8ypKg1Q3Ks05wZvM2Q9d3iww6iXwD2sPtFGwzbX37mw88877st8GoPNd7TFK2Pmda3"
    "Jxm5RIOAr93hZ8C/gl+v+5qAk3h04oorxnTDXxv8nqBPiY7JXIdmEpNF86IpJeaxhS1vup"
    "KcM6wbEHS4Mig5b17OxKcGCYRQds5MsKw0adZMmpk586TMlJmVWGLGPMlOmMh1iWRN+mlw"
    "3ZfjGzFk3xzLoOC/wLa8Mmt9zVAuQJUjkXpdFmi+/dL+JQt0p3d9kX0P+AAXGdS5CY5G0L"
    "hbRn6IHnLMqxTTPuh20Uyl/TIsRj2aqHrX/U8L8qwo0qg7CN7pMzQj7qM+eqTscpW8Cyn7"
    "SpZuzeTwku5GLA3D8XWJBD7aBOYIIOLIgD7mLLsHewGCl9e3Fz0N/HyjdbqDbjgBRSuz6O"
    "RNrMGiAoIbrd3L4Mt8bl3mQN/edi/l+MYcGYB93zLfcb79MnvFfHIUrJbJGVs86dMTD0uM"
    "76SucRjPyGgucZE1wVfoUcDbZbcBsSGzRMIIzk9kFEdvdhPWuDV+v1w4j2I5CZ1iz28iGw"
    "X62mkPOu1LrSFA5mvaHLqmnkKb95AmybREtMtds+Ys2wIxnAhs+EMIIzRAXrtHuCC0luw+"
    "KAqs8adDnLh8aM2YQjxBUczsjQeYmlD0Afzhoe9/AIP4DGEwdskMvAdzi+mNTxnpBDryIN"
    "ya4xWF69gAKlZXp8UzP1bHRbUEfy72IbWK0knMkuoRBRUx2oFIgpgU5XEEDfuzpRU7Gxuk"
    "q0cUXkisjYvededKuzwHI5sYd8j8hgedz9rlbY+3ecYUmb7NW/9xq93yJnYzPv9+c9vvd/"
    "ufzoHrY8z0gfHddjqadin4fMNAyOR0H9tdMdQYWmKcTrvf0XqiyeCw2aw1u0S9TlDDRdBj"
    "mEilLX+HY459cKzT+J60SuB70srFl3dl58gon1hyxUlwqFVHsuqYzAarvvLEXCqMXefFRw"
    "VZn5HoVoKsKgCiAiAqACIPgMTIS8IfKbEUBj/Khz0Y8QGAHrAoj09g05NHM+RkkiBFJizx"
    "oxE/eIPMcVA1wXDndOjBYYrtsbuJgEnOERH5Qjsbgoc9lPgi5pTE6JEzENjPfAEucZE5tC"
    "h/zuqXCRf5EtdglOXHv2PoiSAPs4lRKZw4ZdEjgK+ftRstCD+Bv4E3oTvxJtDx0kGj/Ol5"
    "81Pz85Gjxl/HPja4JgNxJf6n9fdG7ebqg4LgUKTgpXPoC4Y6+7u18YYWb1JZdBf0ewju+8"
    "PDMr784WG+M8/70viKebYKwBHDHiK8efVVkTEVGVORsQ29TA504UxS1ZDv6scca/n6dZu1"
    "XtrZZ138/isAH3OoIMvquKvQ1mug7riEd1ebaBI8Cvt1sLeIa9HHZewHM2jb+eWDCb7XzY"
    "Ecr7F+BnmPo+bpSZTy4F+Ksh2DL+1ebznlEQYeKpgiMcf+mSLN4+MStgijyjVGRF+2zNiS"
    "FbkW62nEtE+Juk0oLLfufbc6oEm+18X0sBY42sTzqqMYcykMdzoDvz6Am8u6W54DqTGtAG"
    "OSReG4u9WHNULvxfcF19oQ2sq2YMNFcLVtwWlOVeRZ6zqbOCNbUcopRlVLVWcZq0q5fZZu"
    "jc5vUFJWxzcoOa8l5yD5qbuIIeutaH/Jh1Byr5vcl4pF8wsbl8IYso34IefHqxtkQwHmst"
    "jzTkLbTRN8qZQ0nWjj20zXBCqzr3UfYcIImWui1GdD7D9IbCodSXJYCqi0oWJLTwmpANJH"
    "NkRpkOq5Ji1jtM3S9IRWSWrT0zpXvDOfq7mgKluhDugUUgAx4VXmQEwl57wUfeZ7dFHvBU"
    "ZoTFzESBEI6EZoYuH8eva1By08UVO8yUu79FOV3uHbXq4YnhPr4agHubXk6hSAWp4CoHY8"
    "rV1Fv7RIVsMzxaQgVZvIXmYT2bLeKmBLAZt6X+u0Qe+rSPHl20Gp/kJLKE4WlrODbOsegY"
    "AJOC4xmLHwAcBFizBmPEocD1gYsIuztgA0vmnPAy6Zyy2hzQz7/E7ASqZJfopVOoOvuKvh"
    "dS2TbWVX882QKfEkcb58rBf0dd5DUqeyPkemyvl1p2Vt7F0Ad8OlFyLvW6mKOuZQ2zXWKK"
    "Jmlzd810XYkMSgclU5w6VUWlaLVZ8Mat2g3vUUS1LMU8SENUKQriDoLK8Sde1EXSGbtk0v"
    "JBG8lvgg6dB2vgfCo+jl/I824JcAEJvsHxDHEIAxcYFHWCtzD1xkAiZpijD9AHzHJpB5bw"
    "fMXwCOP7JFYQAYPeb9ZtHGRy+MzHKsCuOy3hQ2j0+eC8py8PTwrjYVkVVHbKgjNnZqW7X4"
    "vwK6C/o9BHcrHuUMmRYMYKqAcpprD7HeynEmnvUftMrPT6T59sn3eeEfngjX3QqKHnPsoZ"
    "JvfrZWuy1WsT52wi+pwfma9ayR2fXMaD1R3dHTNZmI8r3muPOg8Dd7HUu/Q4/l83YeYrMn"
    "PRfpMtOaII8eCFd3PiUe4gVHVk6NUlnGDefelBOqnNCdMmuUE7pdxyj/HM3nzyHchTM1G1"
    "fav84Bm9O/4V63f3UObAvffcMDbcB/4u2czcMiApido0vJY+MHBQYLQRV1jzn2rmpCuUj1"
    "MKh3zkVCD47FhltBzGlOtd2tblKuSYLukplwPE+V725kKAp9DjOkLe90QMMIVi1Rtscaxs"
    "SdQeZAjBHl5+qyNgN9AHPXohRh5lKwP9zPCBNaYAo9MEKs8R65FntmM8jOmcRhiix3V7Z/"
    "SWlaL7qseJPFJdWPI9YpwJvvF6VFV9KcSTHV2axc0aZplbHgW/kGfGvJfg9figoYxxx7CP"
    "DmbXKVuNj2UfgqNfe6qTkVYtlunt8VRqBEu3NVO8GxT3q9sXLbQF76yKk2Y6TY9gnYF54w"
    "HJfcI7wICZYt4k9zqUL+tX53gZ8Xfb9SKCvLq4JZKswhD3O0matuTBuS8EbYc1CYSo1png"
    "tq5At2w9nP/xfXf82FNt+pv0duVZc+waIMxnIGI3+pKiAcku8hulvJeCbK+suaLgkWZbdU"
    "tFtedTF7+h97l7TS"
)
