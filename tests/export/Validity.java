import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import org.locationtech.jts.geom.*;
import org.locationtech.jts.io.geojson.GeoJsonReader;
import org.locationtech.jts.operation.valid.IsValidOp;

/** Reads a GeoJSON file of one Feature a line with JTS, rounds as QuPath does, and counts what is invalid. */
class Validity {
    public static void main(String[] arguments) throws Exception {
        int count = 0, invalid = 0, moved = 0;
        for (String line : Files.readAllLines(Path.of(arguments[0]), StandardCharsets.UTF_8)) {
            int start = line.indexOf("{\"type\":\"Feature\",");
            if (start < 0) continue;
            Geometry geometry = new GeoJsonReader().read(line.substring(start));
            Geometry rounded = geometry.copy();
            rounded.apply((CoordinateFilter) c -> {
                c.x = Math.round(c.x * 100) / 100.0;
                c.y = Math.round(c.y * 100) / 100.0;
            });
            rounded.geometryChanged();
            if (!rounded.equalsExact(geometry)) moved++;
            IsValidOp check = new IsValidOp(rounded);
            boolean polygon = geometry instanceof Polygon || geometry instanceof MultiPolygon;
            if (!polygon || geometry.isEmpty() || !check.isValid()) {
                invalid++;
                System.err.println(check.getValidationError());
            }
            count++;
        }
        System.out.println(count + " " + invalid + " " + moved);
    }
}
